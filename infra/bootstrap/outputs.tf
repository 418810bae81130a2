output "state_bucket" {
  description = "Bucket for the environments' backends: `terraform init -backend-config=backend.hcl -backend-config=bucket=<this>`."
  value       = aws_s3_bucket.state.bucket
}
