"""What was acknowledged is there after kill -9: moto's services behind the endpoint."""

import hashlib
import json
import os
import random
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from gateway_server import GatewayServer
from patience import eventually
from process_table import is_gone

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
)
SIX_MIB = bytes(range(256)) * (6 * 4096)
EXECUTION_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"


class Account:
    """A mix of resources, written step by step, and everything that describes them."""

    def __init__(self, server: GatewayServer) -> None:
        self._server = server
        self.ids: dict[str, Any] = {}
        self.clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self._server.client(service)
        return self.clients[service]

    def steps(self) -> list[Callable[[], Any]]:
        return [
            *self._network_steps(),
            *self._storage_steps(),
            *self._identity_steps(),
            *self._security_steps(),
            *self._messaging_steps(),
        ]

    def _keep(self, name: str, value: Any) -> None:
        self.ids[name] = value

    def _network_steps(self) -> list[Callable[[], Any]]:
        ec2, ids = self.client("ec2"), self.ids
        return [
            lambda: self._keep("vpc", ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]),
            lambda: ec2.modify_vpc_attribute(VpcId=ids["vpc"], EnableDnsHostnames={"Value": True}),
            lambda: self._keep(
                "subnet",
                ec2.create_subnet(VpcId=ids["vpc"], CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"],
            ),
            lambda: ec2.create_subnet(VpcId=ids["vpc"], CidrBlock="10.0.2.0/24"),
            lambda: self._keep(
                "group",
                ec2.create_security_group(GroupName="web", Description="d", VpcId=ids["vpc"])[
                    "GroupId"
                ],
            ),
            lambda: ec2.authorize_security_group_ingress(
                GroupId=ids["group"],
                IpPermissions=[
                    {
                        "IpProtocol": "tcp",
                        "FromPort": 80,
                        "ToPort": 80,
                        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
                    }
                ],
            ),
            lambda: self._keep(
                "gateway", ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            ),
            lambda: ec2.attach_internet_gateway(InternetGatewayId=ids["gateway"], VpcId=ids["vpc"]),
            lambda: self._keep("address", ec2.allocate_address(Domain="vpc")["AllocationId"]),
            lambda: ec2.create_nat_gateway(SubnetId=ids["subnet"], AllocationId=ids["address"]),
            lambda: ec2.create_tags(
                Resources=[ids["vpc"]], Tags=[{"Key": "Name", "Value": "main"}]
            ),
            lambda: ec2.create_key_pair(KeyName="k", KeyType="rsa"),
            lambda: ec2.create_network_interface(SubnetId=ids["subnet"]),
        ]

    def _storage_steps(self) -> list[Callable[[], Any]]:
        s3, dynamodb = self.client("s3"), self.client("dynamodb")
        return [
            lambda: s3.create_bucket(Bucket="state"),
            lambda: s3.put_bucket_versioning(
                Bucket="state", VersioningConfiguration={"Status": "Enabled"}
            ),
            lambda: s3.put_object(Bucket="state", Key="tf.tfstate", Body=b"one"),
            lambda: s3.put_object(Bucket="state", Key="tf.tfstate", Body=b"two"),
            lambda: s3.put_object(Bucket="state", Key="large", Body=SIX_MIB, ContentType="x/y"),
            lambda: s3.put_object(Bucket="state", Key="gone", Body=b"x"),
            lambda: s3.delete_object(Bucket="state", Key="gone"),
            self._multipart,
            lambda: dynamodb.create_table(
                TableName="locks",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            ),
            lambda: dynamodb.put_item(TableName="locks", Item={"id": {"S": "a"}, "n": {"N": "1"}}),
        ]

    def _multipart(self) -> None:
        s3 = self.client("s3")
        upload = s3.create_multipart_upload(Bucket="state", Key="parts")["UploadId"]
        where = {"Bucket": "state", "Key": "parts", "UploadId": upload}
        bodies = [SIX_MIB, b"tail"]
        tags = [
            s3.upload_part(**where, PartNumber=n, Body=b)["ETag"] for n, b in enumerate(bodies, 1)
        ]
        parts = [{"ETag": tag, "PartNumber": n} for n, tag in enumerate(tags, 1)]
        s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})

    def _identity_steps(self) -> list[Callable[[], Any]]:
        iam, ids = self.client("iam"), self.ids
        return [
            lambda: iam.create_role(RoleName="task", AssumeRolePolicyDocument=TRUST),
            lambda: iam.attach_role_policy(RoleName="task", PolicyArn=EXECUTION_POLICY),
            lambda: iam.put_role_policy(RoleName="task", PolicyName="in", PolicyDocument=POLICY),
            lambda: self._keep(
                "policy", iam.create_policy(PolicyName="p", PolicyDocument=POLICY)["Policy"]["Arn"]
            ),
            lambda: iam.attach_role_policy(RoleName="task", PolicyArn=ids["policy"]),
            lambda: iam.create_user(UserName="u"),
            lambda: iam.create_access_key(UserName="u"),
        ]

    def _security_steps(self) -> list[Callable[[], Any]]:
        kms, secrets, acm = self.client("kms"), self.client("secretsmanager"), self.client("acm")
        ssm, ids = self.client("ssm"), self.ids
        return [
            lambda: self._keep("key", kms.create_key(Description="k")["KeyMetadata"]["KeyId"]),
            lambda: kms.create_alias(AliasName="alias/k", TargetKeyId=ids["key"]),
            lambda: self._keep(
                "cipher", kms.encrypt(KeyId=ids["key"], Plaintext=b"plain")["CiphertextBlob"]
            ),
            lambda: self._keep(
                "rsa",
                kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"],
            ),
            lambda: secrets.create_secret(Name="db", SecretString='{"password": "x"}'),
            lambda: secrets.put_secret_value(SecretId="db", SecretString='{"password": "y"}'),
            lambda: ssm.put_parameter(Name="/a/b", Value="v", Type="SecureString"),
            lambda: self._keep(
                "certificate",
                acm.request_certificate(
                    DomainName="app.example.com",
                    SubjectAlternativeNames=["*.example.com"],
                    ValidationMethod="DNS",
                )["CertificateArn"],
            ),
            lambda: self._keep(
                "zone",
                self.client("route53").create_hosted_zone(Name="example.com", CallerReference="1")[
                    "HostedZone"
                ]["Id"],
            ),
            self._validate,
        ]

    def _validate(self) -> None:
        described = self.client("acm").describe_certificate(CertificateArn=self.ids["certificate"])
        records = {
            o["ResourceRecord"]["Name"]: o["ResourceRecord"]["Value"]
            for o in described["Certificate"]["DomainValidationOptions"]
        }
        changes = [
            {
                "Action": "UPSERT",
                "ResourceRecordSet": {
                    "Name": n,
                    "Type": "CNAME",
                    "TTL": 60,
                    "ResourceRecords": [{"Value": v}],
                },
            }
            for n, v in records.items()
        ]
        self.client("route53").change_resource_record_sets(
            HostedZoneId=self.ids["zone"], ChangeBatch={"Changes": changes}
        )

    def _messaging_steps(self) -> list[Callable[[], Any]]:
        sns, sqs = self.client("sns"), self.client("sqs")
        cloudwatch, ids = self.client("cloudwatch"), self.ids
        return [
            lambda: self._keep("topic", sns.create_topic(Name="alerts")["TopicArn"]),
            lambda: self._keep("queue", sqs.create_queue(QueueName="q")["QueueUrl"]),
            lambda: sns.subscribe(
                TopicArn=ids["topic"],
                Protocol="sqs",
                Endpoint="arn:aws:sqs:us-east-1:000000000000:q",
            ),
            lambda: sns.publish(TopicArn=ids["topic"], Message="hello"),
            lambda: cloudwatch.put_metric_alarm(
                AlarmName="cpu",
                Namespace="AWS/ECS",
                MetricName="CPUUtilization",
                Statistic="Average",
                Period=60,
                EvaluationPeriods=1,
                Threshold=80,
                ComparisonOperator="GreaterThanThreshold",
                AlarmActions=[ids["topic"]],
            ),
            lambda: cloudwatch.put_dashboard(DashboardName="d", DashboardBody='{"widgets": []}'),
            lambda: self.client("logs").create_log_group(logGroupName="/ecs/app"),
        ]

    def describe(self) -> dict[str, Any]:
        """Ask for everything; what is not there yet answers with its error code."""
        answers = {name: _answer(ask) for name, ask in self._questions().items()}
        return json.loads(json.dumps(answers, default=str, sort_keys=True))

    def _questions(self) -> dict[str, Callable[[], Any]]:
        c, ids = self.client, self.ids
        return {
            "vpcs": c("ec2").describe_vpcs,
            "subnets": c("ec2").describe_subnets,
            "groups": c("ec2").describe_security_groups,
            "routes": c("ec2").describe_route_tables,
            "acls": c("ec2").describe_network_acls,
            "gateways": c("ec2").describe_internet_gateways,
            "nat": c("ec2").describe_nat_gateways,
            "addresses": c("ec2").describe_addresses,
            "interfaces": c("ec2").describe_network_interfaces,
            "key pairs": c("ec2").describe_key_pairs,
            "buckets": c("s3").list_buckets,
            "objects": lambda: c("s3").list_object_versions(Bucket="state"),
            "state": lambda: _body(c("s3"), "tf.tfstate"),
            "large": lambda: _body(c("s3"), "large"),
            "parts": lambda: _body(c("s3"), "parts"),
            "table": lambda: c("dynamodb").describe_table(TableName="locks"),
            "items": lambda: c("dynamodb").scan(TableName="locks"),
            "roles": c("iam").list_roles,
            "attached": lambda: c("iam").list_attached_role_policies(RoleName="task"),
            "inline": lambda: c("iam").get_role_policy(RoleName="task", PolicyName="in"),
            "managed": lambda: c("iam").get_policy(PolicyArn=EXECUTION_POLICY),
            "policies": lambda: c("iam").list_policies(Scope="Local"),
            "access keys": lambda: c("iam").list_access_keys(UserName="u"),
            "keys": c("kms").list_keys,
            "aliases": c("kms").list_aliases,
            "plain": lambda: c("kms").decrypt(CiphertextBlob=ids["cipher"])["Plaintext"],
            "public": lambda: c("kms").get_public_key(KeyId=ids["rsa"]),
            "secret": lambda: c("secretsmanager").get_secret_value(SecretId="db"),
            "versions": lambda: _stages(c("secretsmanager")),
            "parameter": lambda: c("ssm").get_parameter(Name="/a/b", WithDecryption=True),
            "certificate": lambda: c("acm").get_certificate(CertificateArn=ids["certificate"]),
            "status": lambda: _status(c("acm"), ids["certificate"]),
            "records": lambda: c("route53").list_resource_record_sets(HostedZoneId=ids["zone"]),
            "topics": c("sns").list_topics,
            "subscriptions": c("sns").list_subscriptions,
            "queue": lambda: c("sqs").get_queue_attributes(
                QueueUrl=ids["queue"], AttributeNames=["All"]
            ),
            "alarms": c("cloudwatch").describe_alarms,
            "dashboards": c("cloudwatch").list_dashboards,
            "log groups": c("logs").describe_log_groups,
        }


def _answer(ask: Callable[[], Any]) -> Any:
    try:
        answer = ask()
    except ClientError as error:
        return error.response["Error"]["Code"]
    except KeyError as error:
        return f"no {error} yet"
    if isinstance(answer, dict):
        answer.pop("ResponseMetadata", None)
    return answer


def _body(s3: Any, key: str) -> Any:
    answer = s3.get_object(Bucket="state", Key=key)
    body = answer["Body"].read()
    return [
        len(body),
        hashlib.sha256(body).hexdigest(),
        answer["ETag"],
        answer["LastModified"],
        answer["ContentType"],
    ]


def _stages(secrets: Any) -> Any:
    # moto makes up the dates of versions at each call
    listed = secrets.list_secret_version_ids(SecretId="db")["Versions"]
    return {v["VersionId"]: v["VersionStages"] for v in listed}


def _status(acm: Any, arn: str) -> Any:
    return acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GatewayServer]:
    server = GatewayServer(tmp_path / "home")
    server.start()
    yield server
    server.stop()


def assert_nothing_diverged(server: GatewayServer) -> None:
    assert not re.findall(r".*replay_diverged.*|.*snapshot_impossible.*", server.log())


def restart(server: GatewayServer) -> None:
    server.kill()
    server.start()


def test_every_write_is_there_after_kill_at_any_moment(server: GatewayServer) -> None:
    account = Account(server)
    steps = account.steps()
    chance = random.Random(7)
    kill_after = set(chance.sample(range(len(steps)), 3)) | {len(steps) - 1}
    for number, step in enumerate(steps):
        step()
        if number in kill_after:
            before = account.describe()
            restart(server)
            assert account.describe() == before
    assert account.describe()["status"] == "ISSUED"
    assert account.describe()["plain"] == str(b"plain")
    assert_nothing_diverged(server)


def test_replay_of_the_whole_journal_gives_the_same_answers(server: GatewayServer) -> None:
    account = Account(server)
    for step in account.steps():
        step()
    before = account.describe()
    restart(server)  # from the journal alone
    assert account.describe() == before
    restart(server)  # from the snapshot that the first restart took
    assert account.describe() == before
    server.stop()
    server.start()  # after a graceful stop
    assert account.describe() == before
    assert_nothing_diverged(server)


def test_kill_while_many_write_loses_nothing_acknowledged(server: GatewayServer) -> None:
    s3 = server.client("s3", max_pool_connections=8)
    s3.create_bucket(Bucket="busy")
    acknowledged: dict[str, str] = {}

    def write(writer: int) -> None:
        for number in range(400):
            key = f"{writer}/{number}"
            try:
                answer = s3.put_object(Bucket="busy", Key=key, Body=key.encode() * 50)
            except (BotoCoreError, ClientError):
                return
            acknowledged[key] = answer["ETag"]

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    eventually(lambda: len(acknowledged) >= 300, "the writers are under way")
    restart(server)
    for writer in writers:
        writer.join()
    assert len(acknowledged) >= 300
    pages = server.client("s3").get_paginator("list_objects_v2").paginate(Bucket="busy")
    found = {o["Key"]: o["ETag"] for page in pages for o in page.get("Contents", [])}
    assert acknowledged.items() <= found.items()
    assert_nothing_diverged(server)


def test_torn_last_entry_is_dropped_and_the_rest_kept(server: GatewayServer) -> None:
    sns = server.client("sns")
    for name in ("one", "two"):
        sns.create_topic(Name=name)
    server.kill()
    segment = max((server.home / "aws/moto").glob("journal-*.log"))
    content = segment.read_bytes()
    segment.write_bytes(content[:-5])
    server.start()
    topics = [t["TopicArn"].rpartition(":")[2] for t in sns.list_topics()["Topics"]]
    assert topics == ["one"]
    sns.create_topic(Name="three")
    restart(server)
    topics = [t["TopicArn"].rpartition(":")[2] for t in sns.list_topics()["Topics"]]
    assert topics == ["one", "three"]


def test_default_network_keeps_its_ids_though_only_read(server: GatewayServer) -> None:
    ec2 = server.client("ec2")
    before = (ec2.describe_vpcs()["Vpcs"], ec2.describe_subnets()["Subnets"])
    restart(server)
    assert (ec2.describe_vpcs()["Vpcs"], ec2.describe_subnets()["Subnets"]) == before


def test_killed_worker_is_replaced_with_its_state(server: GatewayServer) -> None:
    sns = server.client("sns")
    sns.create_topic(Name="one")
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    eventually(server.is_ready, "another worker serves")
    assert len(sns.list_topics()["Topics"]) == 1


def test_killed_master_takes_its_worker_along(server: GatewayServer) -> None:
    (worker,) = server.workers()
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    eventually(lambda: is_gone(worker), "the worker does not outlive its master")
