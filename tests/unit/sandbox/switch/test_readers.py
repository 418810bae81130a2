"""Only commands known to read run against a real account unasked."""

import shlex

import pytest

from sandbox.switch.readers import may_change, named_profile


@pytest.mark.parametrize(
    "command",
    [
        "terraform plan",
        "terraform -chdir=infra/environments/dev plan -out=tfplan",
        "tofu validate",
        "terraform init -backend-config=backend.hcl",
        "terraform state list",
        "terraform output -json",
        "terraform",
        "/usr/bin/terraform version",
        "aws sts get-caller-identity",
        "aws --region eu-west-1 ecs describe-services --cluster c",
        "aws --output=json ec2 describe-vpcs",
        "aws s3 ls s3://bucket",
        "aws logs tail group --follow",
        "aws ecs wait services-stable --cluster c",
        "aws sso login",
        "aws help",
        "printenv AWS_REGION",
    ],
)
def test_readers_are_not_asked_about(command: str) -> None:
    assert not may_change(shlex.split(command))


@pytest.mark.parametrize(
    "command",
    [
        "terraform apply",
        "terraform -chdir=infra/environments/dev destroy -auto-approve",
        "tofu apply tfplan",
        "terraform import aws_vpc.this vpc-1",
        "terraform state rm aws_vpc.this",
        "terraform init -migrate-state",
        "terraform init --force-copy",
        "terraform workspace delete old",
        "terraform test",
        "terraform some-new-command",
        "aws s3 rm s3://bucket/key",
        "aws --profile work ec2 terminate-instances --instance-ids i-1",
        "aws ecs execute-command --command sh",
        "aws lambda invoke out",
        "aws s3 cp list-of-things s3://bucket/",
        "bash -c 'terraform apply'",
        "env terraform apply",
        "python3 deploy.py",
        "make apply",
    ],
)
def test_everything_else_is(command: str) -> None:
    assert may_change(shlex.split(command))


@pytest.mark.parametrize(
    ("command", "profile"),
    [
        ("aws --profile work s3 rm s3://b/k", "work"),
        ("aws s3 rm s3://b/k --profile=work", "work"),
        ("aws s3 rm s3://b/k", ""),
        ("terraform apply --profile work", ""),
    ],
)
def test_profile_of_the_command_itself_is_the_one_that_is_named(command: str, profile: str) -> None:
    assert named_profile(shlex.split(command)) == profile
