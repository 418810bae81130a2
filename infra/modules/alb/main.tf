locals {
  rolling    = { for name, service in var.services : name => service if !service.blue_green }
  blue_green = { for name, service in var.services : name => service if service.blue_green }
  default    = one([for name, service in var.services : name if length(service.path_patterns) == 0])

  # backend, or backend-blue and backend-green.
  target_groups = merge(
    local.rolling,
    { for name, service in local.blue_green : "${name}-blue" => service },
    { for name, service in local.blue_green : "${name}-green" => service },
  )
}

resource "aws_lb" "this" {
  # checkov:skip=CKV2_AWS_28:A web application firewall costs more than the rest of the workshop; put one in front of real traffic
  # checkov:skip=CKV_AWS_150:A workshop is torn down again; set deletion_protection where it is not
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = var.subnet_ids
  security_groups            = [var.security_group_id]
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection

  access_logs {
    enabled = true
    bucket  = var.logs_bucket
    prefix  = "alb"
  }
}

resource "aws_lb_target_group" "this" {
  # checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it only its security group may reach the tasks
  for_each = local.target_groups

  name                 = "${var.target_group_prefix}-${each.key}"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = each.value.port
  deregistration_delay = var.deregistration_delay_s

  health_check {
    path                = each.value.health_check_path
    matcher             = "200"
    interval            = 30
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"

    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate_validation.this.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[local.default].arn
  }
}

resource "aws_lb_listener_rule" "rolling" {
  for_each = { for name, service in local.rolling : name => service if length(service.path_patterns) > 0 }

  listener_arn = aws_lb_listener.https.arn
  priority     = each.value.priority

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[each.key].arn
  }

  condition {
    path_pattern {
      values = each.value.path_patterns
    }
  }
}

# Exactly two weighted target groups under one rule: what EcsBlueGreenTrafficShift asks for.
resource "aws_lb_listener_rule" "blue_green" {
  for_each = local.blue_green

  listener_arn = aws_lb_listener.https.arn
  priority     = each.value.priority

  action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.this["${each.key}-blue"].arn
        weight = 100
      }

      target_group {
        arn    = aws_lb_target_group.this["${each.key}-green"].arn
        weight = 0
      }
    }
  }

  condition {
    path_pattern {
      values = each.value.path_patterns
    }
  }

  lifecycle {
    # Harness moves the weights at every deployment; an apply must never move production's traffic back.
    ignore_changes = [action]
  }
}
