output "kms_key_arn" {
  description = "Key of this environment."
  value       = aws_kms_key.this.arn
}

output "execution_role_arn" {
  description = "Role with which ECS starts tasks."
  value       = aws_iam_role.execution.arn
}

output "task_role_arn" {
  description = "Role with which the application runs."
  value       = aws_iam_role.task.arn
}

output "app_secret_arn" {
  description = "Secret with the application's JSON keys; a container names one as `<arn>:SECRET_KEY::`."
  value       = aws_secretsmanager_secret.app.arn
}
