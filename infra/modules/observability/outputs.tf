output "log_group_names" {
  description = "Log groups, by service."
  value       = { for service, group in aws_cloudwatch_log_group.service : service => group.name }
}

output "alarm_topic_arn" {
  description = "Topic to which alarms and the trail report."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard_name" {
  description = "CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}
