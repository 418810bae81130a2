"""CloudTrail's event history as clients look it up, and who is told from whom."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from gateway_server import GatewayServer

from sandbox.aws.trail.callers import TaskCredentials
from sandbox.environments import DELEGATE_KEY_ID

SECRET = "hunter2-of-the-trail"
TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.11.0 terraform-provider-aws/6.0.0"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    server = GatewayServer(tmp_path_factory.mktemp("trail") / "home")
    server.start()
    server.client("ecs").create_cluster(clusterName="trail")
    server.client("secretsmanager").create_secret(Name="trail-db", SecretString=SECRET)
    server.client("ecs").list_clusters()
    with pytest.raises(ClientError):
        server.client("ecs").update_service(cluster="trail", service="gone")
    s3 = server.client("s3")
    s3.create_bucket(Bucket="trail-bucket")
    s3.put_object(Bucket="trail-bucket", Key="k", Body=b"x")
    yield server
    server.stop()


def events(server: GatewayServer, **wanted: Any) -> list[Any]:
    found: list[Any] = server.client("cloudtrail").lookup_events(**wanted)["Events"]
    return found


def by(key: str, value: str) -> dict[str, Any]:
    return {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]}


def permissions(server: GatewayServer, caller: str) -> set[tuple[str, str]]:
    with urllib.request.urlopen(f"{server.url}/_sandbox/permissions") as answer:
        rows = json.load(answer)
    return {
        (row["grant"]["action"], row["grant"]["resource"])
        for row in rows
        if row["caller"] == caller
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("EventName", "CreateCluster"),
        ("EventSource", "ecs.amazonaws.com"),
        ("ResourceName", "trail"),
        ("ResourceName", "arn:aws:ecs:us-east-1:000000000000:cluster/trail"),
        ("ResourceType", "AWS::ECS::Cluster"),
        ("AccessKeyId", "test"),
        ("Username", "sandbox"),
        ("ReadOnly", "false"),
    ],
)
def test_event_is_found_by_each_attribute(server: GatewayServer, key: str, value: str) -> None:
    found = [e for e in events(server, **by(key, value)) if e["EventName"] == "CreateCluster"]
    assert len(found) == 1
    (event,) = found
    assert events(server, **by("EventId", event["EventId"])) == [event]
    record = json.loads(event["CloudTrailEvent"])
    assert record["requestParameters"] == {"clusterName": "trail"}
    assert record["responseElements"]["cluster"]["clusterName"] == "trail"
    assert record["userIdentity"]["arn"] == "arn:aws:iam::000000000000:user/sandbox"
    assert (record["readOnly"], record["managementEvent"]) == (False, True)
    assert record["eventTime"] == event["EventTime"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_read_has_no_response_elements_and_a_refusal_has_its_error(server: GatewayServer) -> None:
    (read,) = events(server, **by("EventName", "ListClusters"))
    assert (read["ReadOnly"], json.loads(read["CloudTrailEvent"])["responseElements"]) == (
        "true",
        None,
    )
    (refused,) = events(server, **by("EventName", "UpdateService"))
    assert json.loads(refused["CloudTrailEvent"])["errorCode"] == "ServiceNotFoundException"


def test_secret_value_is_in_no_event_and_in_no_file(server: GatewayServer) -> None:
    (event,) = events(server, **by("EventName", "CreateSecret"))
    parameters = json.loads(event["CloudTrailEvent"])["requestParameters"]
    assert parameters["secretString"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    for path in (server.home / "aws").glob("trail.sqlite*"):
        assert SECRET.encode() not in path.read_bytes()


def test_object_calls_are_no_part_of_the_history_but_need_permission(
    server: GatewayServer,
) -> None:
    assert events(server, **by("EventName", "PutObject")) == []
    assert ("s3:PutObject", "arn:aws:s3:::trail-bucket/k") in permissions(server, "person")


def test_pages_are_newest_first_and_hold_every_event_once(server: GatewayServer) -> None:
    client = server.client("cloudtrail")
    end = datetime.now(UTC) + timedelta(seconds=1)
    whole = client.lookup_events(EndTime=end, **by("ReadOnly", "false"))["Events"]
    pages = client.get_paginator("lookup_events").paginate(
        EndTime=end, PaginationConfig={"PageSize": 2}, **by("ReadOnly", "false")
    )
    paged = [event for page in pages for event in page["Events"]]
    assert [e["EventId"] for e in paged] == [e["EventId"] for e in whole]
    times = [e["EventTime"] for e in whole]
    assert times == sorted(times, reverse=True)
    assert events(server, EndTime=min(times) - timedelta(days=1)) == []
    assert server.client("cloudtrail").lookup_events(StartTime=end + timedelta(1))["Events"] == []


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (
            {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "x"}] * 2},
            "InvalidLookupAttributesException",
        ),
        (by("ReadOnly", "yes"), "InvalidLookupAttributesException"),
        ({"StartTime": 2_000_000_000, "EndTime": 1}, "InvalidTimeRangeException"),
        ({"NextToken": "no"}, "InvalidNextTokenException"),
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"EventCategory": "insight"}, "InvalidEventCategoryException"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_lookup_is_refused_as_by_aws(
    server: GatewayServer, wanted: dict[str, Any], code: str
) -> None:
    client = boto3.client(
        "cloudtrail",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(parameter_validation=False, retries={"max_attempts": 0}),
    )
    with pytest.raises(ClientError) as caught:
        client.lookup_events(**wanted)
    assert caught.value.response["Error"]["Code"] == code


def test_rest_of_cloudtrail_is_still_there(server: GatewayServer) -> None:
    server.client("cloudtrail").create_trail(Name="trail", S3BucketName="trail-bucket")
    assert [t["Name"] for t in server.client("cloudtrail").describe_trails()["trailList"]] == [
        "trail"
    ]


def test_aws_cli_looks_events_up(server: GatewayServer) -> None:
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "aws"), "cloudtrail", "lookup-events"),
            *("--lookup-attributes", "AttributeKey=EventName,AttributeValue=CreateCluster"),
            *("--query", "Events[0].Username", "--output", "text"),
        ],
        env=server.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "sandbox"


def identity(server: GatewayServer, service: str, agent: str = "", **keys: str) -> Any:
    """Return a client with keys of its own."""
    config = Config(user_agent_extra=agent, retries={"max_attempts": 0})
    given = {"aws_access_key_id": "test", "aws_secret_access_key": "test", **keys}
    return boto3.client(
        service, endpoint_url=server.url, region_name="us-east-1", config=config, **given
    )


def test_delegate_terraform_and_tasks_are_told_apart(server: GatewayServer) -> None:
    server.client("iam").create_role(RoleName="app-task", AssumeRolePolicyDocument="{}")
    role = "arn:aws:iam::000000000000:role/app-task"
    task_arn = "arn:aws:ecs:us-east-1:000000000000:task/c/0123456789abcdef"
    env = TaskCredentials().environment(role_arn=role, task_arn=task_arn, family="web")
    task = {
        "aws_access_key_id": env["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"],
        "aws_session_token": env["AWS_SESSION_TOKEN"],
    }
    delegate = {"aws_access_key_id": DELEGATE_KEY_ID}

    arn = identity(server, "sts", **task).get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::000000000000:assumed-role/app-task/0123456789abcdef"
    who = identity(server, "sts", **delegate).get_caller_identity()["Arn"]
    assert who == "arn:aws:iam::000000000000:user/delegate"

    identity(server, "sqs", **task).list_queues()
    identity(server, "ecs", **delegate).list_clusters()
    identity(server, "sns", TERRAFORM).list_topics()
    identity(server, "kms", TERRAFORM, **delegate).list_keys()
    assert {a for a, _ in permissions(server, "task/web")} == {"sqs:ListQueues"}
    assert {a for a, _ in permissions(server, "delegate")} == {"ecs:ListClusters", "kms:ListKeys"}
    assert {a for a, _ in permissions(server, "terraform")} == {"sns:ListTopics", "kms:ListKeys"}
    (event,) = events(server, **by("EventName", "ListQueues"))
    session = json.loads(event["CloudTrailEvent"])["userIdentity"]["sessionContext"]
    assert session["sessionIssuer"]["arn"] == role


def test_keys_that_sts_and_iam_gave_are_known(server: GatewayServer) -> None:
    iam, sts = server.client("iam"), server.client("sts")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]["AccessKeyId"]
    arn = identity(server, "sts", aws_access_key_id=key).get_caller_identity()["Arn"]
    assert arn == "arn:aws:iam::000000000000:user/ann"
    iam.create_role(RoleName="assumed", AssumeRolePolicyDocument="{}")
    role = "arn:aws:iam::000000000000:role/assumed"
    given = sts.assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    arn = identity(server, "sts", **keys).get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::000000000000:assumed-role/assumed/me"


def test_image_pull_is_an_ecr_call_of_who_holds_the_token(server: GatewayServer) -> None:
    ecr = identity(server, "ecr", aws_access_key_id=DELEGATE_KEY_ID)
    ecr.create_repository(repositoryName="team/app")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    url = f"{server.url}/v2/team/app/manifests/v1"
    pull = urllib.request.Request(url, headers={"Authorization": f"Basic {token}"})
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(pull)
    repository = "arn:aws:ecr:us-east-1:000000000000:repository/team/app"
    assert ("ecr:BatchGetImage", repository) in permissions(server, "delegate")


def test_history_outlives_the_server(server: GatewayServer) -> None:
    before = events(server, **by("EventName", "CreateCluster"))
    server.stop()
    server.start()
    assert events(server, **by("EventName", "CreateCluster")) == before
