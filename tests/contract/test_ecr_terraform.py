"""Terraform's own ECR resources against our API: apply, an empty plan, destroy."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ecr_server import EcrServer, serve

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
  endpoints { ecr = "@URL@" }
  default_tags { tags = { project = "workshop" } }
}
resource "aws_ecr_repository" "app" {
  for_each             = toset(["backend", "frontend"])
  name                 = "workshop/${each.key}"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true
  image_scanning_configuration { scan_on_push = true }
  encryption_configuration { encryption_type = "KMS" }
  tags = { component = each.key }
}
resource "aws_ecr_lifecycle_policy" "app" {
  for_each   = aws_ecr_repository.app
  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep the last 10 images"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 10 }
      action       = { type = "expire" }
    }]
  })
}
resource "aws_ecr_repository_policy" "app" {
  repository = aws_ecr_repository.app["backend"].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid = "pull", Effect = "Allow", Principal = "*"
      Action = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    }]
  })
}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EcrServer]:
    made = serve(tmp_path / "state")
    yield made
    made.stop()


def terraform(stack: Path, *arguments: str) -> int:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TF_"))}
    done = subprocess.run(
        ["terraform", f"-chdir={stack}", *arguments],
        env=environment | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in {0, 2}, done.stdout + done.stderr
    return done.returncode


def provider_mirror() -> list[str]:
    """Arguments that let `init` find the provider with no network, where a mirror is known."""
    mirror = find_provider_mirror(Settings().tf_plugin_dir)
    return [f"-plugin-dir={mirror}"] if mirror else []


@pytest.mark.skipif(shutil.which("terraform") is None, reason="needs terraform on PATH")
def test_plan_is_empty_after_apply_and_destroy_leaves_nothing(
    server: EcrServer, tmp_path: Path
) -> None:
    stack = tmp_path / "stack"
    stack.mkdir()
    (stack / "main.tf").write_text(STACK.replace("@URL@", server.url))
    terraform(stack, "init", "-input=false", *provider_mirror())
    terraform(stack, "apply", "-auto-approve", "-input=false")
    assert terraform(stack, "plan", "-detailed-exitcode", "-input=false") == 0
    assert len(server.client().describe_repositories()["repositories"]) == 2
    terraform(stack, "destroy", "-auto-approve", "-input=false")
    assert server.client().describe_repositories()["repositories"] == []
