"""Terraform's load balancer resources against our API: apply, empty plans, changes, destroy."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from elbv2_server import SUBNETS, VPC, World, world
from elbv2_tls import key_and_certificate

from sandbox.aws.ports import Certificate
from sandbox.settings import Settings
from sandbox.terraform import find_provider_mirror

STACK = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints { elbv2 = "@URL@" }
  default_tags { tags = { project = "workshop" } }
}
variable "weights" {
  type    = list(number)
  default = [100, 0]
}
variable "stickiness" { default = false }
variable "path" { default = "/api/*" }

resource "aws_lb" "main" {
  name                       = "workshop"
  load_balancer_type         = "application"
  subnets                    = @SUBNETS@
  security_groups            = ["sg-1"]
  drop_invalid_header_fields = true
  idle_timeout               = 30
  access_logs {
    enabled = true
    bucket  = "logs"
    prefix  = "alb"
  }
  tags = { tier = "edge" }
}
resource "aws_lb_target_group" "app" {
  for_each             = toset(["blue", "green", "web"])
  name                 = "workshop-${each.key}"
  vpc_id               = "@VPC@"
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = 5000
  deregistration_delay = 20
  health_check {
    path                = "/api/health"
    matcher             = "200-299"
    interval            = 30
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}
resource "aws_lb_target_group" "minimal" {
  name        = "minimal"
  vpc_id      = "@VPC@"
  target_type = "ip"
  protocol    = "HTTP"
  port        = 80
}
resource "aws_lb_target_group_attachment" "one" {
  target_group_arn = aws_lb_target_group.app["web"].arn
  target_id        = "127.0.0.77"
  port             = 5000
}
resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.main.arn
  port              = 80
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
  load_balancer_arn = aws_lb.main.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = "@CERT@-1"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.app["web"].arn
  }
}
resource "aws_lb_listener_certificate" "extra" {
  listener_arn    = aws_lb_listener.https.arn
  certificate_arn = "@CERT@-2"
}
resource "aws_lb_listener_rule" "weighted" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10
  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.app["blue"].arn
        weight = var.weights[0]
      }
      target_group {
        arn    = aws_lb_target_group.app["green"].arn
        weight = var.weights[1]
      }
      stickiness {
        enabled  = var.stickiness
        duration = 600
      }
    }
  }
  condition {
    path_pattern { values = [var.path, "/v1/*"] }
  }
  condition {
    host_header { values = ["*.example.com"] }
  }
}
resource "aws_lb_listener_rule" "fixed" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 20
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "closed"
      status_code  = "503"
    }
  }
  condition {
    http_header {
      http_header_name = "X-Closed"
      values           = ["yes"]
    }
  }
  condition {
    http_request_method { values = ["GET", "HEAD"] }
  }
  condition {
    query_string {
      key   = "a"
      value = "b*"
    }
    query_string { value = "c" }
  }
}
resource "aws_lb_listener_rule" "source" {
  listener_arn = aws_lb_listener.https.arn
  action {
    type = "redirect"
    redirect {
      host        = "other.example.com"
      path        = "/moved/#{path}"
      query       = "from=#{host}"
      status_code = "HTTP_302"
    }
  }
  condition {
    source_ip { values = ["10.0.0.0/8"] }
  }
}
output "rule_arn" { value = aws_lb_listener_rule.weighted.arn }
"""


@pytest.fixture
def made() -> Iterator[World]:
    with world() as w:
        for number in (1, 2):
            key, certificate = key_and_certificate(f"{number}.example.com")
            arn = f"arn:aws:acm:us-east-1:000000000000:certificate/test-{number}"
            w.certificates[arn] = Certificate(
                arn=arn,
                domain_name=f"{number}.example.com",
                certificate_pem=certificate,
                chain_pem="",
                private_key_pem=key,
            )
        yield w


def terraform(stack: Path, *arguments: str) -> int:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TF_"))}
    done = subprocess.run(
        ["terraform", f"-chdir={stack}", *arguments, "-no-color"],
        env=environment | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode in {0, 2}, done.stdout[-6000:] + done.stderr
    if done.returncode == 2:
        print(done.stdout)
    return done.returncode


def provider_mirror() -> list[str]:
    """Arguments that let `init` find the provider with no network, where a mirror is known."""
    mirror = find_provider_mirror(Settings().tf_plugin_dir)
    return [f"-plugin-dir={mirror}"] if mirror else []


@pytest.mark.skipif(shutil.which("terraform") is None, reason="needs terraform on PATH")
def test_every_plan_after_an_apply_is_empty_and_destroy_leaves_nothing(
    made: World, tmp_path: Path
) -> None:
    text = STACK.replace("@URL@", f"http://127.0.0.1:{made.port}").replace("@VPC@", VPC)
    text = text.replace("@CERT@", "arn:aws:acm:us-east-1:000000000000:certificate/test")
    (tmp_path / "main.tf").write_text(text.replace("@SUBNETS@", json.dumps(SUBNETS)))
    terraform(tmp_path, "init", "-input=false", *provider_mirror())
    for settings in (
        [],
        ["-var", "weights=[90, 10]", "-var", "stickiness=true", "-var", "path=/v2/*"],
        ["-var", "weights=[0, 100]"],
    ):
        terraform(tmp_path, "apply", "-auto-approve", "-input=false", *settings)
        plan = ("plan", "-detailed-exitcode", "-input=false", *settings)
        assert terraform(tmp_path, *plan) == 0
    terraform(tmp_path, "destroy", "-auto-approve", "-input=false")
    elb = made.client()
    assert elb.describe_load_balancers()["LoadBalancers"] == []
    assert elb.describe_target_groups()["TargetGroups"] == []
