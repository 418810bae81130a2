output "alb_dns_name" {
  description = "The load balancer's own name."
  value       = module.alb.dns_name
}

output "url" {
  description = "Where the application answers."
  value       = local.base_url
}

output "zone_name_servers" {
  description = "Delegate the environment's name to these in its parent zone; empty where hosted_zone_id was given."
  value       = module.alb.zone_name_servers
}

output "alarm_topic_arn" {
  description = "Topic of the alarms."
  value       = module.observability.alarm_topic_arn
}

output "dashboard_name" {
  description = "CloudWatch dashboard."
  value       = module.observability.dashboard_name
}

locals {
  # A zone that this configuration made may not be delegated yet, so its name may not resolve.
  base_url = "https://${var.hosted_zone_id == null ? module.alb.dns_name : local.domain_name}"
}

# What harness/environments/prod.yaml and harness/sync.yaml name as ${terraform.<key>}.
output "harness_variables" {
  description = "Everything that the Harness entities of this environment must know."
  value = {
    aws_account_id                 = local.account_id
    aws_region                     = var.region
    app_env                        = var.environment
    cluster_name                   = module.ecs.cluster_name
    vpc_id                         = module.network.vpc_id
    private_subnet_1               = module.network.private_subnet_ids[0]
    private_subnet_2               = module.network.private_subnet_ids[1]
    task_security_group_id         = module.network.task_security_group_id
    execution_role_arn             = module.security.execution_role_arn
    task_role_arn                  = module.security.task_role_arn
    app_secret_arn                 = module.security.app_secret_arn
    backend_log_group              = module.observability.log_group_names["backend"]
    frontend_log_group             = module.observability.log_group_names["frontend"]
    load_balancer_name             = module.alb.load_balancer_name
    alb_dns_name                   = module.alb.dns_name
    domain_name                    = local.domain_name
    base_url                       = local.base_url
    https_listener_arn             = module.alb.https_listener_arn
    backend_rule_arn               = module.alb.rule_arns["backend"]
    backend_blue_target_group_arn  = module.alb.target_group_arns["backend-blue"]
    backend_green_target_group_arn = module.alb.target_group_arns["backend-green"]
    frontend_target_group_arn      = module.alb.target_group_arns["frontend"]
    backend_repository             = local.repositories["backend"]
    frontend_repository            = local.repositories["frontend"]
    artifacts_bucket               = module.storage.artifacts_bucket
  }

  # The routes belong to no key, but tasks that start without them cannot pull.
  depends_on = [module.network]
}
