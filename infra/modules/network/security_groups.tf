# Inbound 443 from anywhere, and 80 only to be redirected; outbound to the tasks and nowhere else.
resource "aws_security_group" "alb" {
  # checkov:skip=CKV2_AWS_5:Attached by the alb module
  name        = "${var.name}-alb"
  description = "Load balancer: HTTP and HTTPS from the internet"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-alb" }
}

resource "aws_security_group_rule" "alb_http" {
  # checkov:skip=CKV_AWS_260:Port 80 is open on purpose: its listener answers nothing but a redirect to HTTPS
  type              = "ingress"
  security_group_id = aws_security_group.alb.id
  description       = "HTTP, redirected to HTTPS"
  protocol          = "tcp"
  from_port         = 80
  to_port           = 80
  cidr_blocks       = ["0.0.0.0/0"]
}

resource "aws_security_group_rule" "alb_https" {
  type              = "ingress"
  security_group_id = aws_security_group.alb.id
  description       = "HTTPS"
  protocol          = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_blocks       = ["0.0.0.0/0"]
}

resource "aws_security_group_rule" "alb_tasks" {
  for_each = var.task_ports

  type                     = "egress"
  security_group_id        = aws_security_group.alb.id
  description              = "To the ${each.key} tasks"
  protocol                 = "tcp"
  from_port                = each.value
  to_port                  = each.value
  source_security_group_id = aws_security_group.tasks.id
}

resource "aws_security_group" "tasks" {
  # checkov:skip=CKV2_AWS_5:Attached by the ECS services, which Harness creates
  name        = "${var.name}-tasks"
  description = "ECS tasks: from the load balancer only"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-tasks" }
}

resource "aws_security_group_rule" "tasks_in" {
  for_each = var.task_ports

  type                     = "ingress"
  security_group_id        = aws_security_group.tasks.id
  description              = "${each.key} from the load balancer"
  protocol                 = "tcp"
  from_port                = each.value
  to_port                  = each.value
  source_security_group_id = aws_security_group.alb.id
}

resource "aws_security_group_rule" "tasks_https" {
  type              = "egress"
  security_group_id = aws_security_group.tasks.id
  description       = "ECR, CloudWatch Logs and Secrets Manager, through NAT or VPC endpoints"
  protocol          = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_blocks       = ["0.0.0.0/0"]
}
