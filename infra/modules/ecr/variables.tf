variable "repositories" {
  description = "Names of the repositories."
  type        = set(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts the images."
  type        = string
}

variable "keep_images" {
  description = "How many of the newest images to keep in each repository."
  type        = number
  default     = 10
}

variable "force_delete" {
  description = "Let `terraform destroy` delete repositories that hold images."
  type        = bool
  default     = false
}
