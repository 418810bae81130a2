"""Terraform's own ECS resources: apply, an empty plan, destroy."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ecs_sandbox import TARGET_GROUP, World, ecs_client, serve

from sandbox.errors import DependencyError
from sandbox.terraform import find_provider_mirror, find_terraform, write_cli_config

STACK = f"""
terraform {{
  required_providers {{ aws = {{ source = "hashicorp/aws" }} }}
}}

variable "url" {{}}

provider "aws" {{
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  default_tags {{ tags = {{ project = "workshop" }} }}
  endpoints {{ ecs = var.url }}
}}

resource "aws_ecs_cluster" "this" {{
  name = "dev"
  setting {{
    name  = "containerInsights"
    value = "enabled"
  }}
}}

resource "aws_ecs_cluster_capacity_providers" "this" {{
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
  default_capacity_provider_strategy {{
    capacity_provider = "FARGATE"
    weight            = 1
    base              = 1
  }}
}}

resource "aws_ecs_task_definition" "web" {{
  family                   = "web"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = "arn:aws:iam::000000000000:role/task-execution"
  task_role_arn            = "arn:aws:iam::000000000000:role/task-execution"
  runtime_platform {{
    cpu_architecture        = "X86_64"
    operating_system_family = "LINUX"
  }}
  container_definitions = jsonencode([
    {{
      name         = "web"
      image        = "example/web:1"
      portMappings = [{{ containerPort = 80 }}]
      environment  = [{{ name = "B", value = "2" }}, {{ name = "A", value = "1" }}]
      healthCheck  = {{ command = ["CMD-SHELL", "true"] }}
      logConfiguration = {{
        logDriver = "awslogs"
        options = {{
          awslogs-group         = "/ecs/web"
          awslogs-region        = "us-east-1"
          awslogs-stream-prefix = "ecs"
        }}
      }}
    }}
  ])
}}

resource "aws_ecs_service" "web" {{
  name                               = "web"
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.web.arn
  desired_count                      = 2
  launch_type                        = "FARGATE"
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  health_check_grace_period_seconds  = 60
  deployment_minimum_healthy_percent = 50
  deployment_maximum_percent         = 200
  deployment_circuit_breaker {{
    enable   = true
    rollback = true
  }}
  network_configuration {{
    subnets         = ["subnet-a", "subnet-b"]
    security_groups = ["sg-1"]
  }}
  load_balancer {{
    target_group_arn = "{TARGET_GROUP}"
    container_name   = "web"
    container_port   = 80
  }}
}}

resource "aws_ecs_service" "plain" {{
  name            = "plain"
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.web.arn
  launch_type     = "FARGATE"
  network_configuration {{
    subnets = ["subnet-a"]
  }}
}}
"""


class Stack:
    """The stack in its folder, driven by the terraform command."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir()
        (folder / "main.tf").write_text(STACK)
        config = write_cli_config(folder, None, folder / "none.tfrc")
        self._folder = folder
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TF_IN_AUTOMATION": "1",
            "TF_VAR_url": url,
            **({"TF_CLI_CONFIG_FILE": str(config)} if config else {}),
        }

    def run(self, *arguments: str) -> int:
        done = subprocess.run(
            [find_terraform(), *arguments],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode in (0, 2), done.stdout + done.stderr
        return done.returncode

    def plan_is_empty(self) -> bool:
        return self.run("plan", "-detailed-exitcode", "-no-color") == 0


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def served(world: World) -> Iterator[str]:
    with world.plane() as plane, serve(plane) as url:
        yield url


def _missing() -> str:
    try:
        find_terraform()
    except DependencyError as error:
        return error.message
    return "" if find_provider_mirror(None) else "no provider mirror is installed"


@pytest.mark.skipif(bool(_missing()), reason=_missing() or "terraform is there")
def test_stack_applies_with_an_empty_plan_and_is_destroyed(
    world: World, served: str, tmp_path: Path
) -> None:
    stack = Stack(tmp_path / "stack", served)
    ecs: Any = ecs_client(served)
    stack.run("init", "-no-color")
    stack.run("apply", "-auto-approve", "-no-color")
    assert stack.plan_is_empty()
    ecs.get_waiter("services_stable").wait(cluster="dev", services=["web"])
    stack.run("destroy", "-auto-approve", "-no-color")
    assert world.runtime.observe() == ()
    assert ecs.list_clusters()["clusterArns"] == []
