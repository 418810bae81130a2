variable "name" {
  description = "Name of the load balancer (at most 32 characters)."
  type        = string
}

variable "target_group_prefix" {
  description = "Prefix of the target groups' names, which AWS limits to 32 characters."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the target groups."
  type        = string
}

variable "subnet_ids" {
  description = "Public subnets in at least two availability zones."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the load balancer."
  type        = string
}

variable "logs_bucket" {
  description = "Bucket for access logs, under alb/."
  type        = string
}

variable "domain_name" {
  description = "Name on the certificate, and of the alias record."
  type        = string
}

variable "hosted_zone_id" {
  description = "Public Route 53 zone that answers for domain_name. Null creates one for it, which the parent zone must then delegate to before the certificate can be issued."
  type        = string
  default     = null
}

variable "services" {
  description = <<-EOT
    Services behind the load balancer, by name. path_patterns and priority make its rule on the HTTPS listener; the
    one service without patterns gets everything else. blue_green makes two target groups under that rule, whose
    weights belong to Harness from then on.
  EOT
  type = map(object({
    port              = number
    health_check_path = string
    path_patterns     = optional(list(string), [])
    priority          = optional(number)
    blue_green        = optional(bool, false)
  }))

  validation {
    condition     = length([for service in var.services : service if length(service.path_patterns) == 0]) == 1
    error_message = "Exactly one service must have no path_patterns: it gets what no rule matches."
  }

  validation {
    condition     = alltrue([for service in var.services : length(service.path_patterns) > 0 if service.blue_green])
    error_message = "A blue/green service needs path_patterns: its weights are shifted on a rule."
  }

  validation {
    condition     = alltrue([for service in var.services : service.priority != null if length(service.path_patterns) > 0])
    error_message = "A service with path_patterns needs a priority."
  }
}

variable "deregistration_delay_s" {
  description = "Seconds for which a leaving target still gets its open requests answered."
  type        = number
  default     = 30
}

variable "deletion_protection" {
  description = "Refuse to delete the load balancer."
  type        = bool
  default     = false
}
