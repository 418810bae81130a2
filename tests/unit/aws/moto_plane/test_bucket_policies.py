"""Bucket policies where moto misreads them."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from moto.iam.access_control import PermissionResult

from sandbox.aws.moto_plane.bucket_policy import (
    ConditionalStatement,
    condition_holds,
    log_delivery_allowed,
)

TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def test_denial_of_plain_http_does_not_deny_the_local_endpoint() -> None:
    statement = ConditionalStatement(TLS_ONLY)
    result = statement.is_action_permitted("s3:GetObject", "arn:aws:s3:::b/k")
    assert result == PermissionResult.NEUTRAL


def test_denial_whose_condition_holds_denies() -> None:
    statement = ConditionalStatement(
        TLS_ONLY | {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}
    )
    result = statement.is_action_permitted("s3:GetObject", "arn:aws:s3:::b/k")
    assert result == PermissionResult.DENIED


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"Bool": {"aws:SecureTransport": ["true", "false"]}}, True),
        ({"BoolIfExists": {"AWS:securetransport": True}}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": "o"}}, False),
        ({"Bool": {"aws:SecureTransport": "true", "aws:ViaAWSService": "true"}}, False),
    ],
)
def test_condition_holds_only_when_all_of_it_is_known_and_true(condition: Any, holds: bool) -> None:
    assert condition_holds(condition) is holds


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({}, True),
        ({"Action": ["s3:Put*"]}, True),
        ({"Resource": "arn:aws:s3:::b/logs/*"}, True),
        ({"Resource": "arn:aws:s3:::b/other/*"}, False),
        ({"Principal": "*"}, False),
        ({"Effect": "Deny"}, False),
    ],
)
def test_log_delivery_follows_the_policy(change: dict[str, Any], allowed: bool) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::b/*",
    }
    policy = json.dumps({"Statement": [TLS_ONLY, statement | change]}).encode()
    bucket: Any = SimpleNamespace(policy=policy, partition="aws", name="b")
    assert log_delivery_allowed(bucket, "logs/") is allowed
