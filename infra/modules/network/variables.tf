variable "name" {
  description = "Prefix of every name, for example harness-workshop-dev."
  type        = string
}

variable "vpc_cidr" {
  description = "Address range of the VPC."
  type        = string
  default     = "10.0.0.0/16"
}

variable "public_subnets" {
  description = "Availability zone to CIDR of the public subnets (load balancer, NAT)."
  type        = map(string)

  validation {
    condition     = length(var.public_subnets) >= 2
    error_message = "An Application Load Balancer needs public subnets in at least two availability zones."
  }
}

variable "private_subnets" {
  description = "Availability zone to CIDR of the private subnets (tasks)."
  type        = map(string)

  validation {
    condition     = length(var.private_subnets) >= 2
    error_message = "High availability needs private subnets in at least two availability zones."
  }
}

variable "single_nat_gateway" {
  description = "One NAT gateway for all zones (cheaper) instead of one a zone (survives the loss of a zone)."
  type        = bool
  default     = true
}

variable "task_ports" {
  description = "Ports on which the load balancer reaches the tasks, by service name."
  type        = map(number)
}

variable "enable_vpc_endpoints" {
  description = "Reach ECR, S3, CloudWatch Logs and Secrets Manager without leaving the VPC."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days to keep the VPC flow log."
  type        = number
  default     = 7
}

variable "kms_key_arn" {
  description = "Key that encrypts the flow log."
  type        = string
}
