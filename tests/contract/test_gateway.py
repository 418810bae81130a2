"""The endpoint as clients meet it: routing, errors, certificates, S3's conditional writes."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from gateway_server import GatewayServer

ACCOUNT = "000000000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    server = GatewayServer(tmp_path_factory.mktemp("gateway") / "home")
    server.start()
    yield server
    server.stop()


def code_of(call: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    code: str = caught.value.response["Error"]["Code"]
    return code


def test_health_names_every_service(server: GatewayServer) -> None:
    with urllib.request.urlopen(f"{server.url}/_sandbox/health") as answer:
        services = json.load(answer)["services"]
    assert {name for name, of in services.items() if of["by"] == "sandbox"} >= {
        "ecs",
        "elbv2",
        "ecr",
        "logs",
    }
    assert services["s3"] == {"status": "running", "by": "moto"}


def test_caller_is_the_configured_account(server: GatewayServer) -> None:
    assert server.client("sts").get_caller_identity()["Account"] == ACCOUNT


def test_tls_client_hello_on_the_http_port_does_no_harm(server: GatewayServer) -> None:
    context = ssl.create_default_context()
    for _ in range(5):
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
            pytest.raises(OSError, match=r"SSL|EOF|reset|timed out"),
        ):
            context.wrap_socket(plain, server_hostname="127.0.0.1")
    assert server.is_ready()


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("neptune-graph", lambda c: c.list_graphs()),
        ("lambda", lambda c: c.invoke(FunctionName="f")),
        ("cloudformation", lambda c: c.list_stacks()),
    ],
    ids=["a service that nobody has", "needs an engine", "its packages are not installed"],
)
def test_what_is_not_there_says_so(server: GatewayServer, service: str, call: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(server.client(service))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_unknown_operation_of_moto_is_not_implemented(server: GatewayServer) -> None:
    sns = server.client("sns")
    assert (
        code_of(
            lambda: sns.put_data_protection_policy(
                ResourceArn="arn:aws:sns:us-east-1:0:t", DataProtectionPolicy="{}"
            )
        )
        == "NotImplemented"
    )


def test_conditional_write_makes_an_object_once(server: GatewayServer) -> None:
    """Terraform's `use_lockfile` relies on it."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket="locks")
    lock = {"Bucket": "locks", "Key": "dev.tflock", "IfNoneMatch": "*"}
    s3.put_object(**lock, Body=b"mine")
    assert code_of(lambda: s3.put_object(**lock, Body=b"theirs")) == "PreconditionFailed"
    assert s3.get_object(Bucket="locks", Key="dev.tflock")["Body"].read() == b"mine"
    s3.delete_object(Bucket="locks", Key="dev.tflock")
    s3.put_object(**lock, Body=b"theirs")


@pytest.mark.parametrize("key", ["a b", "ü/ö", "a%2Fb", "a+b", "//x", "q?x=1", "a&b=c"])
def test_object_keys_keep_their_spelling(server: GatewayServer, key: str) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="keys")
    s3.put_object(Bucket="keys", Key=key, Body=key.encode(), Metadata={"of": "x"})
    assert s3.get_object(Bucket="keys", Key=key)["Body"].read() == key.encode()
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="keys")["Contents"]] == [key]
    s3.delete_object(Bucket="keys", Key=key)
    s3.delete_bucket(Bucket="keys")


def test_presigned_url_works_and_head_tells_the_size(server: GatewayServer) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="presigned")
    s3.put_object(Bucket="presigned", Key="k", Body=b"12345")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "k"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"12345"
    assert s3.head_object(Bucket="presigned", Key="k")["ContentLength"] == 5


def test_tls_only_bucket_policy_does_not_lock_the_owner_out(server: GatewayServer) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="strict")
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::strict", "arn:aws:s3:::strict/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket="strict", Policy=json.dumps({"Statement": [statement]}))
    s3.put_object(Bucket="strict", Key="k", Body=b"x")
    assert s3.get_object(Bucket="strict", Key="k")["Body"].read() == b"x"


def test_certificate_is_issued_once_its_records_exist(server: GatewayServer) -> None:
    acm, route53 = server.client("acm"), server.client("route53")
    arn = acm.request_certificate(
        DomainName="app.test", SubjectAlternativeNames=["*.app.test"], ValidationMethod="DNS"
    )["CertificateArn"]
    described = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert described["Status"] == "PENDING_VALIDATION"
    zone = route53.create_hosted_zone(Name="app.test", CallerReference="1")["HostedZone"]["Id"]
    records = {
        o["ResourceRecord"]["Name"]: o["ResourceRecord"]
        for o in described["DomainValidationOptions"]
    }
    changes = [
        {
            "Action": "CREATE",
            "ResourceRecordSet": {
                "Name": r["Name"],
                "Type": r["Type"],
                "TTL": 60,
                "ResourceRecords": [{"Value": r["Value"]}],
            },
        }
        for r in records.values()
    ]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED"
    pem = acm.get_certificate(CertificateArn=arn)
    leaf = x509.load_pem_x509_certificate(pem["Certificate"].encode())
    root = x509.load_pem_x509_certificate((server.home / "ca/ca.pem").read_bytes())
    leaf.verify_directly_issued_by(root)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["app.test", "*.app.test"]
    assert pem["CertificateChain"].encode() == (server.home / "ca/ca.pem").read_bytes()
    assert (server.home / "ca/bundle.pem").read_bytes().endswith(pem["CertificateChain"].encode())


def test_tags_of_budgets_and_scalable_targets_are_kept(server: GatewayServer) -> None:
    budgets = server.client("budgets")
    budgets.create_budget(
        AccountId=ACCOUNT,
        Budget={
            "BudgetName": "b",
            "BudgetLimit": {"Amount": "10", "Unit": "USD"},
            "TimeUnit": "MONTHLY",
            "BudgetType": "COST",
        },
        ResourceTags=[{"Key": "a", "Value": "1"}],
    )
    arn = f"arn:aws:budgets::{ACCOUNT}:budget/b"
    budgets.tag_resource(ResourceARN=arn, ResourceTags=[{"Key": "b", "Value": "2"}])
    budgets.untag_resource(ResourceARN=arn, ResourceTagKeys=["a"])
    assert budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"] == [
        {"Key": "b", "Value": "2"}
    ]
    scaling = server.client("application-autoscaling")
    missing = f"arn:aws:application-autoscaling:us-east-1:{ACCOUNT}:scalable-target/none"
    assert (
        code_of(lambda: scaling.list_tags_for_resource(ResourceARN=missing))
        == "ResourceNotFoundException"
    )
    target = scaling.register_scalable_target(
        ServiceNamespace="dynamodb",
        ResourceId="table/t",
        ScalableDimension="dynamodb:table:ReadCapacityUnits",
        MinCapacity=1,
        MaxCapacity=2,
        Tags={"a": "1"},
    )["ScalableTargetARN"]
    scaling.tag_resource(ResourceARN=target, Tags={"b": "2"})
    assert scaling.list_tags_for_resource(ResourceARN=target)["Tags"] == {"a": "1", "b": "2"}


def test_queue_long_poll_returns_as_soon_as_a_message_comes(server: GatewayServer) -> None:
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName="poll")["QueueUrl"]
    received: list[Any] = []
    waiter = threading.Thread(
        target=lambda: received.extend(
            server.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        )
    )
    waiter.start()
    sqs.get_queue_attributes(QueueUrl=url)  # others are served meanwhile
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    sent = time.monotonic()
    waiter.join()
    assert [m["Body"] for m in received] == ["hello"]
    assert time.monotonic() - sent < 15, "the poll slept its 20 s to the end"


def test_aws_command_reads_and_writes(server: GatewayServer, tmp_path: Path) -> None:
    aws = shutil.which("aws", path=str(Path(sys.executable).parent)) or "aws"

    def run(*arguments: str) -> str:
        command = [aws, *arguments]
        done = subprocess.run(
            command, env=server.environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    source = tmp_path / "large"
    source.write_bytes(b"x" * 9_000_000)
    run("s3", "mb", "s3://from-the-command")
    run("s3", "cp", str(source), "s3://from-the-command/large")  # in parts
    run("s3", "cp", "s3://from-the-command/large", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == source.read_bytes()


def test_taken_port_is_named_with_its_holder(server: GatewayServer, tmp_path: Path) -> None:
    environment = dict(os.environ) | {
        "SANDBOX_HOME": str(tmp_path),
        "SANDBOX_AWS_PORT": str(server.port),
    }
    command = [sys.executable, "-m", "sandbox.aws.server"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert f"Port {server.port}" in done.stderr
    assert server.process is not None
    holders = [server.process.pid, *server.workers()]
    assert any(f"(pid {pid})" in done.stderr for pid in holders)
    assert "SANDBOX_AWS_PORT" in done.stderr


def test_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = dict(os.environ) | {
        "SANDBOX_HOME": str(tmp_path / "file"),
        "SANDBOX_AWS_PORT": "1",
    }
    command = [sys.executable, "-m", "sandbox.aws.server"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert str(tmp_path / "file") in done.stderr
    assert "SANDBOX_HOME" in done.stderr


def test_instance_types_are_there_when_somebody_asks(server: GatewayServer) -> None:
    ec2 = server.client("ec2")
    offered = ec2.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": ["t3.micro"]}],
    )["InstanceTypeOfferings"]
    assert {o["Location"][:-1] for o in offered} == {"us-east-1"}
    (found,) = ec2.describe_instance_types(InstanceTypes=["t3.micro"])["InstanceTypes"]
    assert found["VCpuInfo"]["DefaultVCpus"] == 2
    assert len(ec2.describe_regions(AllRegions=True)["Regions"]) > 20
    vpc = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    launched = ec2.run_instances(
        ImageId="ami-12c6146b", InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=vpc
    )
    assert launched["Instances"][0]["InstanceType"] == "t3.micro"


def test_versioned_bucket_is_emptied_in_any_order(server: GatewayServer) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "b"):
        s3.put_object(Bucket="versions", Key=key, Body=b"x")
        s3.delete_object(Bucket="versions", Key=key)
    listed = s3.list_object_versions(Bucket="versions")
    for kind in ("Versions", "DeleteMarkers"):
        found = [{"Key": o["Key"], "VersionId": o["VersionId"]} for o in listed[kind]]
        s3.delete_objects(Bucket="versions", Delete={"Objects": found})
    s3.delete_bucket(Bucket="versions")
    assert "versions" not in {b["Name"] for b in s3.list_buckets()["Buckets"]}
