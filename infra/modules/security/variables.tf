variable "name" {
  description = "Prefix of every name, for example harness-workshop-dev."
  type        = string
}

variable "repository_arns" {
  description = "ECR repositories from which the tasks may pull."
  type        = list(string)
}

variable "log_group_arns" {
  description = "Log groups to which the tasks' output goes."
  type        = list(string)
}

variable "metric_namespace" {
  description = "The only CloudWatch namespace into which the application may write."
  type        = string
  default     = "HarnessWorkshop"
}

variable "secret_recovery_days" {
  description = "Days in which a deleted secret can be restored; 0 deletes at once."
  type        = number
  default     = 7
}
