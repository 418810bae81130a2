# Network ACLs are stateless: each direction must also admit the other's answers, on ephemeral ports.
locals {
  ephemeral_from = 1024
  ephemeral_to   = 65535
  task_ports     = sort([for port in distinct(values(var.task_ports)) : format("%05d", port)])
}

resource "aws_network_acl" "public" {
  vpc_id     = aws_vpc.this.id
  subnet_ids = [for subnet in aws_subnet.public : subnet.id]

  tags = { Name = "${var.name}-public" }
}

resource "aws_network_acl_rule" "public_in" {
  # checkov:skip=CKV_AWS_231:The range is the answers' ephemeral ports; nothing in these subnets listens on 3389
  for_each = {
    http      = { number = 100, from = 80, to = 80 }
    https     = { number = 110, from = 443, to = 443 }
    ephemeral = { number = 120, from = local.ephemeral_from, to = local.ephemeral_to }
  }

  network_acl_id = aws_network_acl.public.id
  rule_number    = each.value.number
  rule_action    = "allow"
  egress         = false
  protocol       = "tcp"
  cidr_block     = "0.0.0.0/0"
  from_port      = each.value.from
  to_port        = each.value.to
}

resource "aws_network_acl_rule" "public_out" {
  for_each = merge(
    {
      https     = { number = 100, from = 443, to = 443, cidr = "0.0.0.0/0" }
      ephemeral = { number = 110, from = local.ephemeral_from, to = local.ephemeral_to, cidr = "0.0.0.0/0" }
    },
    {
      for index, port in local.task_ports :
      "task-${tonumber(port)}" => { number = 200 + index, from = tonumber(port), to = tonumber(port), cidr = var.vpc_cidr }
    },
  )

  network_acl_id = aws_network_acl.public.id
  rule_number    = each.value.number
  rule_action    = "allow"
  egress         = true
  protocol       = "tcp"
  cidr_block     = each.value.cidr
  from_port      = each.value.from
  to_port        = each.value.to
}

resource "aws_network_acl" "private" {
  vpc_id     = aws_vpc.this.id
  subnet_ids = [for subnet in aws_subnet.private : subnet.id]

  tags = { Name = "${var.name}-private" }
}

resource "aws_network_acl_rule" "private_in" {
  # checkov:skip=CKV_AWS_231:The range is the answers' ephemeral ports; the tasks' security group admits only the load balancer
  for_each = merge(
    {
      # Answers from the internet keep their sender's address behind a NAT gateway.
      ephemeral = { number = 100, from = local.ephemeral_from, to = local.ephemeral_to, cidr = "0.0.0.0/0" }
      https     = { number = 110, from = 443, to = 443, cidr = var.vpc_cidr }
    },
    {
      for index, port in local.task_ports :
      "task-${tonumber(port)}" => { number = 200 + index, from = tonumber(port), to = tonumber(port), cidr = var.vpc_cidr }
    },
  )

  network_acl_id = aws_network_acl.private.id
  rule_number    = each.value.number
  rule_action    = "allow"
  egress         = false
  protocol       = "tcp"
  cidr_block     = each.value.cidr
  from_port      = each.value.from
  to_port        = each.value.to
}

resource "aws_network_acl_rule" "private_out" {
  for_each = {
    https     = { number = 100, from = 443, to = 443, cidr = "0.0.0.0/0" }
    ephemeral = { number = 110, from = local.ephemeral_from, to = local.ephemeral_to, cidr = var.vpc_cidr }
  }

  network_acl_id = aws_network_acl.private.id
  rule_number    = each.value.number
  rule_action    = "allow"
  egress         = true
  protocol       = "tcp"
  cidr_block     = each.value.cidr
  from_port      = each.value.from
  to_port        = each.value.to
}
