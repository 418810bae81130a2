variable "project" {
  description = "Prefix of every name."
  type        = string
  default     = "harness-workshop"
}

variable "region" {
  description = "Region of the state bucket."
  type        = string
  default     = "us-east-1"
}

variable "name_suffix" {
  description = "Appended to the bucket name. S3 names are global: set it (for example to your account id) on a real account."
  type        = string
  default     = ""
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete the bucket together with the states in it."
  type        = bool
  default     = false
}
