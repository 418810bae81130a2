variable "name" {
  description = "Prefix of the bucket names, for example harness-workshop-dev."
  type        = string
}

variable "name_suffix" {
  description = "Makes the bucket names unique: S3 names are global. The account id is a good one."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the artifacts."
  type        = string
}

variable "cache_days" {
  description = "Days after which CI caches are deleted."
  type        = number
  default     = 14
}

variable "log_days" {
  description = "Days after which access logs and trails are deleted."
  type        = number
  default     = 90
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete buckets that hold objects."
  type        = bool
  default     = false
}
