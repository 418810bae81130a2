variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "default_capacity_provider" {
  description = "FARGATE, or FARGATE_SPOT where an interrupted task is acceptable. Holds for services that name no launch type."
  type        = string
  default     = "FARGATE"

  validation {
    condition     = contains(["FARGATE", "FARGATE_SPOT"], var.default_capacity_provider)
    error_message = "Use FARGATE or FARGATE_SPOT."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts ECS Exec sessions."
  type        = string
}

variable "log_retention_days" {
  description = "Days to keep the ECS Exec log."
  type        = number
  default     = 7
}
