output "load_balancer_name" {
  description = "Name by which Harness finds the load balancer."
  value       = aws_lb.this.name
}

output "load_balancer_arn_suffix" {
  description = "The LoadBalancer dimension of CloudWatch metrics."
  value       = aws_lb.this.arn_suffix
}

output "dns_name" {
  description = "The load balancer's own name."
  value       = aws_lb.this.dns_name
}

output "https_listener_arn" {
  description = "HTTPS listener."
  value       = aws_lb_listener.https.arn
}

output "rule_arns" {
  description = "Rules of the HTTPS listener, by service."
  value = merge(
    { for name, rule in aws_lb_listener_rule.rolling : name => rule.arn },
    { for name, rule in aws_lb_listener_rule.blue_green : name => rule.arn },
  )
}

output "target_group_arns" {
  description = "Target groups, by service, or by service and colour (backend-blue, backend-green)."
  value       = { for name, group in aws_lb_target_group.this : name => group.arn }
}

output "target_group_arn_suffixes" {
  description = "The TargetGroup dimensions of CloudWatch metrics, by service: one, or two where it is blue/green."
  value = merge(
    { for name in keys(local.rolling) : name => [aws_lb_target_group.this[name].arn_suffix] },
    {
      for name in keys(local.blue_green) : name => [
        aws_lb_target_group.this["${name}-blue"].arn_suffix,
        aws_lb_target_group.this["${name}-green"].arn_suffix,
      ]
    },
  )
}

output "zone_name_servers" {
  description = "Name servers to which the parent zone must delegate; empty where an existing zone is used."
  value       = flatten(aws_route53_zone.this[*].name_servers)
}
