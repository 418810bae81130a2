# What an open LocalStack has, in one stack. It names no endpoint: the environment does.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

provider "aws" {}

resource "aws_s3_bucket" "artifacts" {
  bucket = "localstack-stack-artifacts"
}

resource "aws_s3_object" "note" {
  bucket  = aws_s3_bucket.artifacts.bucket
  key     = "notes/one two+three.txt"
  content = "kept in LocalStack"
}

resource "aws_cloudwatch_log_group" "app" {
  name              = "/ecs/localstack-stack"
  retention_in_days = 7
}

resource "aws_iam_role" "task" {
  name = "localstack-stack-task"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_policy" "read_secret" {
  name = "localstack-stack-read-secret"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = aws_secretsmanager_secret.database.arn
    }]
  })
}

resource "aws_iam_role_policy_attachment" "read_secret" {
  role       = aws_iam_role.task.name
  policy_arn = aws_iam_policy.read_secret.arn
}

resource "aws_secretsmanager_secret" "database" {
  name                    = "localstack-stack/database"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "database" {
  secret_id     = aws_secretsmanager_secret.database.id
  secret_string = jsonencode({ url = "postgres://from-localstack" })
}

output "role_arn" {
  value = aws_iam_role.task.arn
}

output "secret_arn" {
  value = aws_secretsmanager_secret.database.arn
}
