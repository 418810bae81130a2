"""Permissions become the smallest policy that holds in another account too."""

import json

import pytest

from sandbox.aws.trail.grants import Grant
from sandbox.iam_policy import (
    LONGEST_POLICY,
    document,
    in_account,
    portable,
    size,
    split,
    statements,
)

ECS = "arn:aws:ecs:us-east-1:000000000000:"
ELB = "arn:aws:elasticloadbalancing:us-east-1:000000000000:"


def grant(action: str, resource: str, passed_to: str = "") -> Grant:
    return Grant(action=action, resource=resource, passed_to=passed_to)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (f"{ECS}service/workshop-dev/backend", f"{ECS}service/workshop-dev/backend"),
        (f"{ECS}task/c/{'0a' * 16}", f"{ECS}task/c/*"),
        (f"{ECS}task-definition/web:12", f"{ECS}task-definition/web:*"),
        (
            "arn:aws:ec2:us-east-1:000000000000:vpc/vpc-0fabf1714ff6df3cc",
            "arn:aws:ec2:us-east-1:000000000000:vpc/*",
        ),
        (f"{ELB}loadbalancer/app/web/02852ff59549ac69", f"{ELB}loadbalancer/app/web/*"),
        (
            f"{ELB}listener-rule/app/web/02852ff59549ac69/12852ff59549ac69/22852ff59549ac69",
            f"{ELB}listener-rule/app/web/*/*/*",
        ),
        (
            "arn:aws:secretsmanager:us-east-1:000000000000:secret:app/db-htjOBe",
            "arn:aws:secretsmanager:us-east-1:000000000000:secret:app/db-??????",
        ),
        (
            "arn:aws:kms:us-east-1:000000000000:key/d1a9bbc8-190d-4ccb-9f09-b8aeef6d8481",
            "arn:aws:kms:us-east-1:000000000000:key/*",
        ),
        (
            "arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/qncsbzc91",
            "arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/*",
        ),
        ("arn:aws:route53:::hostedzone/Z0123", "arn:aws:route53:::hostedzone/*"),
        ("arn:aws:s3:::my-bucket/env/dev.tfstate", "arn:aws:s3:::my-bucket/env/dev.tfstate"),
        ("*", "*"),
    ],
)
def test_ids_that_aws_makes_up_become_wildcards_and_names_stay(
    recorded: str, expected: str
) -> None:
    assert portable(grant("x:Y", recorded)).resource == expected


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (f"{ECS}cluster/c", "arn:aws:ecs:us-east-1:111122223333:cluster/c"),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        ("arn:aws:s3:::state-000000000000", "arn:aws:s3:::state-111122223333"),
        ("*", "*"),
    ],
)
def test_policy_for_another_account_names_that_account(recorded: str, expected: str) -> None:
    moved = in_account(grant("x:Y", recorded), "111122223333", instead_of="000000000000")
    assert moved.resource == expected


def test_actions_with_the_same_resources_share_a_statement() -> None:
    found = statements(
        [
            grant("ecs:UpdateService", f"{ECS}service/c/b"),
            grant("ecs:UpdateService", f"{ECS}service/c/a"),
            grant("ecs:DescribeServices", f"{ECS}service/c/a"),
            grant("ecs:DescribeServices", f"{ECS}service/c/b"),
            grant("ecs:ListClusters", "*"),
            grant("iam:PassRole", "arn:aws:iam::000000000000:role/r", "ecs-tasks.amazonaws.com"),
        ]
    )
    assert document(found)["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["ecs:ListClusters"],
            "Resource": ["*"],
        },
        {
            "Effect": "Allow",
            "Action": ["ecs:DescribeServices", "ecs:UpdateService"],
            "Resource": [f"{ECS}service/c/a", f"{ECS}service/c/b"],
        },
        {
            "Effect": "Allow",
            "Action": ["iam:PassRole"],
            "Resource": ["arn:aws:iam::000000000000:role/r"],
            "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        },
    ]


def test_resource_that_another_covers_is_left_out() -> None:
    named = [f"{ECS}task/c/1", f"{ECS}task/c/*", f"{ECS}task/d/1"]
    (statement,) = statements(grant("ecs:StopTask", arn) for arn in named)
    assert statement.resources == (f"{ECS}task/c/*", f"{ECS}task/d/1")
    (statement,) = statements(grant("ecs:StopTask", arn) for arn in [*named, "*"])
    assert statement.resources == ("*",)


def test_order_of_calls_does_not_show() -> None:
    grants = [grant(f"s3:{a}", f"arn:aws:s3:::b{i}") for a in "xyz" for i in range(3)]
    assert statements(grants) == statements(reversed(grants))


def test_long_policy_is_split_into_parts_that_fit_and_lose_nothing() -> None:
    whole = statements(grant(f"ecs:Act{i}", f"{ECS}service/c/{i:0>40}") for i in range(120))
    assert size(document(whole)) > LONGEST_POLICY
    parts = split(whole)
    assert len(parts) > 1
    assert [one for part in parts for one in part] == list(whole)
    assert all(size(document(part)) <= LONGEST_POLICY for part in parts)
    assert json.dumps(document(parts[0])).startswith('{"Version": "2012-10-17"')
