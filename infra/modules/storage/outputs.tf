output "artifacts_bucket" {
  description = "Artifacts, and CI caches under cache/."
  value       = aws_s3_bucket.artifacts.bucket
}

output "logs_bucket" {
  description = "Access logs and trails; known once those services may write into it."
  value       = aws_s3_bucket_policy.logs.bucket
}
