variable "project" {
  description = "Prefix of every name."
  type        = string
  default     = "harness-workshop"
}

variable "environment" {
  description = "Name of this environment, the second part of every name."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "name_suffix" {
  description = "Makes S3 bucket names unique; empty means the account id."
  type        = string
  default     = ""
}

variable "vpc_cidr" {
  description = "Address range of the VPC."
  type        = string
}

variable "public_subnets" {
  description = "Availability zone to CIDR of the public subnets."
  type        = map(string)
}

variable "private_subnets" {
  description = "Availability zone to CIDR of the private subnets."
  type        = map(string)
}

variable "single_nat_gateway" {
  description = "One NAT gateway for all zones instead of one a zone."
  type        = bool
}

variable "enable_vpc_endpoints" {
  description = "Reach ECR, S3, CloudWatch Logs and Secrets Manager without leaving the VPC."
  type        = bool
  default     = false
}

variable "domain" {
  description = "Domain in which this environment is <environment>.<domain>: on the certificate and as the load balancer's alias record. One of yours on a real account."
  type        = string
  default     = "harness-workshop.example"
}

variable "hosted_zone_id" {
  description = "Public Route 53 zone that answers for <environment>.<domain>; null creates one."
  type        = string
  default     = null
}

variable "default_capacity_provider" {
  description = "FARGATE or FARGATE_SPOT, for services that name no launch type."
  type        = string
}

variable "backend_port" {
  description = "Port on which the backend's tasks listen."
  type        = number
  default     = 5000
}

variable "frontend_port" {
  description = "Port on which the front end's tasks listen."
  type        = number
  default     = 80
}

variable "alarm_email" {
  description = "Address that gets the alarms and the budget's warnings; null for none."
  type        = string
  default     = null
}

variable "monthly_budget_usd" {
  description = "Monthly budget of this environment."
  type        = number
}

variable "enable_cloudtrail" {
  description = "Record the account's API calls; one trail an account is enough."
  type        = bool
}

variable "secret_recovery_days" {
  description = "Days in which a deleted secret can be restored; 0 deletes at once, so that its name is free again."
  type        = number
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete buckets and repositories that are not empty."
  type        = bool
}

variable "image_environment" {
  description = "The environment that owns the image repositories: images are built once and promoted."
  type        = string
  default     = "dev"
}
