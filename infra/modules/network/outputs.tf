output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "Public subnets, by availability zone in alphabetical order."
  value       = [for zone in sort(keys(aws_subnet.public)) : aws_subnet.public[zone].id]
}

output "private_subnet_ids" {
  description = "Private subnets, by availability zone in alphabetical order."
  value       = [for zone in sort(keys(aws_subnet.private)) : aws_subnet.private[zone].id]
}

output "alb_security_group_id" {
  description = "Security group of the load balancer."
  value       = aws_security_group.alb.id
}

output "task_security_group_id" {
  description = "Security group of the ECS tasks."
  value       = aws_security_group.tasks.id
}

# A task without these has no way to ECR: whoever starts tasks should depend on it.
output "egress_ready" {
  description = "Ids of the private default routes; known once tasks can reach the internet."
  value       = [for route in aws_route.nat : route.id]
}
