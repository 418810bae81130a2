variable "name" {
  description = "Prefix of every name, for example harness-workshop-dev."
  type        = string
}

variable "services" {
  description = "Names of the services; each gets the log group /ecs/<name>/<service>."
  type        = set(string)
}

variable "ecs_service_names" {
  description = "ECS services, as Harness will name them; blue/green makes two of one (<service>__1, <service>__2)."
  type        = set(string)
}

variable "cluster_name" {
  description = "ECS cluster."
  type        = string
}

variable "load_balancer_arn_suffix" {
  description = "The LoadBalancer dimension."
  type        = string
}

variable "target_group_arn_suffixes" {
  description = "The TargetGroup dimensions, by service."
  type        = map(list(string))
}

variable "kms_key_arn" {
  description = "Key that encrypts logs and notifications."
  type        = string
}

variable "log_retention_days" {
  description = "Days to keep the services' output."
  type        = number
  default     = 7
}

variable "alarm_email" {
  description = "Address that gets the alarms (once it confirmed the subscription) and the budget's warnings; null for none."
  type        = string
  default     = null
}

variable "monthly_budget_usd" {
  description = "Monthly budget. alarm_email is warned at 80 % spent and at 100 % forecast."
  type        = number
}

variable "enable_cloudtrail" {
  description = "Record the account's API calls. One trail an account is enough (a second one is charged)."
  type        = bool
}

variable "logs_bucket" {
  description = "Bucket of the trail, under cloudtrail/."
  type        = string
}
