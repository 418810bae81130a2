data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  name       = "${var.project}-${var.environment}"
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  suffix     = coalesce(var.name_suffix, local.account_id)

  domain_name = "${var.environment}.${var.domain}"

  services = {
    backend = {
      port              = var.backend_port
      health_check_path = "/api/health"
      path_patterns     = ["/api/*"]
      priority          = 10
    }
    frontend = {
      port              = var.frontend_port
      health_check_path = "/"
    }
  }

  # CI pushes here; every later environment pulls the same images.
  repositories = { for service in keys(local.services) : service => "${local.name}-${service}" }

  # The security module grants by name, so that roles, log groups and repositories are made side by side.
  log_group_arns = [
    for service in keys(local.services) :
    "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:/ecs/${local.name}/${service}"
  ]
  repository_arns = [
    for repository in values(local.repositories) :
    "arn:${local.partition}:ecr:${var.region}:${local.account_id}:repository/${repository}"
  ]
}

module "security" {
  source = "../../modules/security"

  name                 = local.name
  repository_arns      = local.repository_arns
  log_group_arns       = local.log_group_arns
  secret_recovery_days = var.secret_recovery_days
}

module "network" {
  source = "../../modules/network"

  name                 = local.name
  vpc_cidr             = var.vpc_cidr
  public_subnets       = var.public_subnets
  private_subnets      = var.private_subnets
  single_nat_gateway   = var.single_nat_gateway
  enable_vpc_endpoints = var.enable_vpc_endpoints
  task_ports           = { for name, service in local.services : name => service.port }
  kms_key_arn          = module.security.kms_key_arn
}

module "storage" {
  source = "../../modules/storage"

  name          = local.name
  name_suffix   = local.suffix
  kms_key_arn   = module.security.kms_key_arn
  force_destroy = var.force_destroy
}

module "ecr" {
  source = "../../modules/ecr"

  repositories = toset(values(local.repositories))
  kms_key_arn  = module.security.kms_key_arn
  force_delete = var.force_destroy
}

module "ecs" {
  source = "../../modules/ecs"

  name                      = local.name
  default_capacity_provider = var.default_capacity_provider
  kms_key_arn               = module.security.kms_key_arn
}

module "alb" {
  source = "../../modules/alb"

  name                = local.name
  target_group_prefix = "hw-${var.environment}"
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.public_subnet_ids
  security_group_id   = module.network.alb_security_group_id
  logs_bucket         = module.storage.logs_bucket
  domain_name         = local.domain_name
  hosted_zone_id      = var.hosted_zone_id
  services            = local.services
}

module "observability" {
  source = "../../modules/observability"

  name                      = local.name
  services                  = toset(keys(local.services))
  ecs_service_names         = toset([for service in keys(local.services) : "${local.name}-${service}"])
  cluster_name              = local.name
  load_balancer_arn_suffix  = module.alb.load_balancer_arn_suffix
  target_group_arn_suffixes = module.alb.target_group_arn_suffixes
  kms_key_arn               = module.security.kms_key_arn
  alarm_email               = var.alarm_email
  monthly_budget_usd        = var.monthly_budget_usd
  enable_cloudtrail         = var.enable_cloudtrail
  logs_bucket               = module.storage.logs_bucket
}
