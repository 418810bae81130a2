"""Permissions that calls need: IAM's spelling of the action, and the ARNs that are named."""

from collections.abc import Mapping

import pytest

from sandbox.aws.trail.actions import ACTIONS, PASSED_TO, WITH_PARAMETER, is_data_event
from sandbox.aws.trail.authorization import resource_types
from sandbox.aws.trail.grants import Grant, Scope, grants_of

SCOPE = Scope(account_id="111122223333", region="eu-west-1")
ECS = "arn:aws:ecs:eu-west-1:111122223333:"
ROLE = "arn:aws:iam::111122223333:role/app/task"


def granted(service: str, operation: str, parameters: Mapping[str, object]) -> set[tuple[str, str]]:
    return {(g.action, g.resource) for g in grants_of(service, operation, parameters, SCOPE)}


@pytest.mark.parametrize(
    ("call", "parameters", "expected"),
    [
        ("s3.ListBuckets", {}, {("s3:ListAllMyBuckets", "*")}),
        ("s3.ListObjectsV2", {"Bucket": "b"}, {("s3:ListBucket", "arn:aws:s3:::b")}),
        ("s3.HeadObject", {"Bucket": "b", "Key": "a/k"}, {("s3:GetObject", "arn:aws:s3:::b/a/k")}),
        (
            "s3.PutObject",
            {"Bucket": "b", "Key": "k", "Tagging": "x=y"},
            {
                ("s3:PutObject", "arn:aws:s3:::b/k"),
                ("s3:PutObjectTagging", "arn:aws:s3:::b/k"),
            },
        ),
        ("sts.GetCallerIdentity", {}, set()),
        ("ec2.DescribeVpcs", {"VpcIds": ["vpc-1"]}, {("ec2:DescribeVpcs", "*")}),
        (
            "ec2.CreateSubnet",
            {"VpcId": "vpc-1", "TagSpecifications": [{"Tags": []}]},
            {
                ("ec2:CreateSubnet", "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1"),
                ("ec2:CreateSubnet", "arn:aws:ec2:eu-west-1:111122223333:subnet/*"),
                ("ec2:CreateTags", "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1"),
                ("ec2:CreateTags", "arn:aws:ec2:eu-west-1:111122223333:subnet/*"),
            },
        ),
        (
            "ec2.CreateTags",
            {"Resources": ["sg-0a", "vpc-0b"]},
            {
                ("ec2:CreateTags", "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0a"),
                ("ec2:CreateTags", "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-0b"),
            },
        ),
        (
            "ecs.DescribeServices",
            {"cluster": f"{ECS}cluster/c", "services": ["a", "b"]},
            {
                ("ecs:DescribeServices", f"{ECS}service/c/a"),
                ("ecs:DescribeServices", f"{ECS}service/c/b"),
            },
        ),
        (
            "ecs.DescribeServices",
            {"services": [f"{ECS}service/c/a"]},
            {("ecs:DescribeServices", f"{ECS}service/c/a")},
        ),
        (
            "ecs.DescribeTasks",
            {"tasks": ["0af"]},
            {("ecs:DescribeTasks", f"{ECS}task/default/0af")},
        ),
        (
            "elbv2.CreateLoadBalancer",
            {"Name": "web", "Subnets": ["subnet-1"]},
            {
                (
                    "elasticloadbalancing:CreateLoadBalancer",
                    "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/web/*",
                )
            },
        ),
        (
            "budgets.CreateBudget",
            {"AccountId": "111122223333", "Budget": {"BudgetName": "monthly"}},
            {("budgets:ModifyBudget", "arn:aws:budgets::111122223333:budget/monthly")},
        ),
        (
            "secretsmanager.GetSecretValue",
            {"SecretId": "db"},
            {
                (
                    "secretsmanager:GetSecretValue",
                    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-??????",
                )
            },
        ),
        (
            "sqs.SendMessageBatch",
            {"QueueUrl": "http://127.0.0.1:4566/111122223333/jobs"},
            {("sqs:SendMessage", "arn:aws:sqs:eu-west-1:111122223333:jobs")},
        ),
        (
            "ssm.ListTagsForResource",
            {"ResourceType": "Parameter", "ResourceId": "/app/level"},
            {
                (
                    "ssm:ListTagsForResource",
                    "arn:aws:ssm:eu-west-1:111122223333:parameter/app/level",
                )
            },
        ),
        (
            "route53.ChangeTagsForResource",
            {"ResourceType": "hostedzone", "ResourceId": "Z1"},
            {("route53:ChangeTagsForResource", "arn:aws:route53:::hostedzone/Z1")},
        ),
        (
            "kms.DescribeKey",
            {"KeyId": "alias/app"},
            {("kms:DescribeKey", "arn:aws:kms:eu-west-1:111122223333:key/*")},
        ),
        (
            "logs.PutRetentionPolicy",
            {"logGroupName": "/ecs/web"},
            {
                (
                    "logs:PutRetentionPolicy",
                    "arn:aws:logs:eu-west-1:111122223333:log-group:/ecs/web",
                ),
                (
                    "logs:PutRetentionPolicy",
                    "arn:aws:logs:eu-west-1:111122223333:log-group:/ecs/web:*",
                ),
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_call_needs_these_actions_on_these_resources(
    call: str, parameters: Mapping[str, object], expected: set[tuple[str, str]]
) -> None:
    service, _, operation = call.partition(".")
    assert granted(service, operation, parameters) == expected


def test_roles_that_a_task_definition_names_are_passed_to_ecs() -> None:
    passed = Grant(action="iam:PassRole", resource=ROLE, passed_to="ecs-tasks.amazonaws.com")
    registered = {"family": "web", "taskRoleArn": ROLE}
    assert passed in grants_of("ecs", "RegisterTaskDefinition", registered, SCOPE)
    launched = {"cluster": "c", "taskDefinition": "web:3"}
    assert passed in grants_of("ecs", "RunTask", launched, SCOPE, roles=[ROLE])


def test_merely_naming_a_role_passes_it_to_nobody() -> None:
    actions = {a for a, _ in granted("iam", "GetRole", {"RoleName": "task"})}
    assert actions == {"iam:GetRole"}


def test_every_action_of_the_tables_is_one_of_iam() -> None:
    named = {a for actions in (*ACTIONS.values(), *WITH_PARAMETER.values()) for a in actions}
    assert {action for action in named if resource_types(action) is None} == set()


def test_every_operation_of_the_tables_is_one_of_its_service() -> None:
    from sandbox.aws.trail.calls import service_model

    rows = {*ACTIONS, *(name for name, _ in WITH_PARAMETER), *PASSED_TO}
    for row in rows:
        service, _, operation = row.partition(".")
        model = service_model(service)
        assert model is not None, row
        assert operation in model.operation_names, row


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "is_data"),
    [
        ("s3", "PutObject", {"Bucket": "b", "Key": "k"}, True),
        ("s3", "CreateBucket", {"Bucket": "b"}, False),
        ("logs", "PutLogEvents", {}, True),
        ("ecr", "UploadLayerPart", {}, True),
        ("ecr", "PutImage", {}, False),
        ("kms", "Encrypt", {}, False),
    ],
)
def test_data_events_are_told_from_management_events(
    service: str, operation: str, parameters: Mapping[str, object], is_data: bool
) -> None:
    assert is_data_event(service, operation, parameters) is is_data
