environment = "dev"
region      = "us-east-1"

vpc_cidr = "10.0.0.0/16"

public_subnets = {
  us-east-1a = "10.0.1.0/24"
  us-east-1b = "10.0.2.0/24"
}

private_subnets = {
  us-east-1a = "10.0.11.0/24"
  us-east-1b = "10.0.12.0/24"
}

single_nat_gateway        = true
default_capacity_provider = "FARGATE_SPOT"

monthly_budget_usd   = 40
enable_cloudtrail    = false
secret_recovery_days = 0
force_destroy        = true
