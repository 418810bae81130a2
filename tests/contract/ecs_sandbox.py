"""A local ECS on its own: an HTTP server with only our service, a fake machine, small fake ports."""

import hashlib
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from wsgiref.types import WSGIApplication

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from sandbox.aws.ecs.plane import EcsPlane
from sandbox.aws.ports import (
    LogEvent,
    NetworkInterface,
    ResolvedImage,
    Subnet,
    Target,
    TargetGroupInfo,
    TargetHealth,
)
from sandbox.aws.runtime.fake import FakeMachine, FakeRuntime
from sandbox.aws.runtime.port import ContainerRuntime
from sandbox.aws.store import RecordStore
from sandbox.aws.wire import RequestContext, WireRequest
from sandbox.clock import TimeScale
from sandbox.errors import AwsError

ACCOUNT = "000000000000"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/task-execution"
TARGET_GROUP = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/web/0123456789abcdef"


@dataclass
class FakeRegistrar:
    """Targets that are healthy at once, unless `states` says otherwise by target id."""

    groups: dict[str, TargetGroupInfo] = field(default_factory=dict)
    targets: dict[str, dict[tuple[str, int], Target]] = field(default_factory=dict)
    draining: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    default: TargetHealth = field(default_factory=lambda: TargetHealth(state="healthy"))
    drains_at_once: bool = True
    readings: int = 0

    def add_group(self, arn: str, *, target_type: str = "ip", attached: bool = True) -> None:
        self.groups[arn] = TargetGroupInfo(
            arn=arn,
            name=arn.split("/")[1],
            protocol="HTTP",
            port=80,
            target_type=target_type,
            vpc_id="vpc-1",
            load_balancer_arns=("arn:lb",) if attached else (),
        )

    def target_group(self, target_group_arn: str) -> TargetGroupInfo | None:
        return self.groups.get(target_group_arn)

    def register(self, target_group_arn: str, target: Target) -> None:
        self.targets.setdefault(target_group_arn, {})[target.id, target.port] = target

    def deregister(self, target_group_arn: str, target_id: str, port: int) -> None:
        found = self.targets.get(target_group_arn, {}).pop((target_id, port), None)
        if found is not None and not self.drains_at_once:
            self.draining.setdefault(target_group_arn, set()).add((target_id, port))

    def finish_draining(self) -> None:
        self.draining.clear()

    def health(self, target_group_arn: str) -> Mapping[tuple[str, int], TargetHealth]:
        self.readings += 1
        registered = dict.fromkeys(self.targets.get(target_group_arn, {}), self.default)
        draining = dict.fromkeys(
            self.draining.get(target_group_arn, ()), TargetHealth(state="draining")
        )
        return registered | draining


@dataclass
class FakeImages:
    missing: set[str] = field(default_factory=set)

    def owns(self, reference: str) -> bool:
        return ".dkr.ecr." in reference

    def resolve(self, reference: str) -> ResolvedImage:
        if reference in self.missing:
            raise AwsError("ImageNotFoundException", "The image does not exist.")
        digest = "sha256:" + hashlib.sha256(reference.encode()).hexdigest()
        return ResolvedImage(
            reference=reference, region=REGION, repository_name="web", digest=digest
        )

    def manifest(self, image: ResolvedImage) -> bytes:
        raise NotImplementedError(image)

    def blob_path(self, digest: str) -> Path:
        raise NotImplementedError(digest)


@dataclass
class FakeLogs:
    groups: set[str] = field(default_factory=set)
    streams: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    cursors: dict[tuple[str, str], int] = field(default_factory=dict)

    def group_exists(self, region: str, group: str) -> bool:
        return group in self.groups

    def create_group(self, region: str, group: str) -> None:
        self.groups.add(group)

    def offset(self, region: str, group: str, stream: str) -> int:
        return self.cursors.get((group, stream), 0)

    def put(
        self,
        region: str,
        group: str,
        stream: str,
        events: Sequence[LogEvent],
        *,
        cursor: int = 0,
    ) -> None:
        if group not in self.groups:
            raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
        lines = self.streams.setdefault((group, stream), [])
        lines.extend(event.message for event in events)
        self.cursors[group, stream] = cursor


@dataclass
class FakeSecrets:
    values: dict[str, str] = field(default_factory=dict)

    def resolve(self, value_from: str, *, region: str, account_id: str) -> str:
        if value_from not in self.values:
            raise AwsError(
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret.",
            )
        return self.values[value_from]


@dataclass
class FakeNetwork:
    subnets: tuple[str, ...] = ("subnet-a", "subnet-b")
    groups: tuple[str, ...] = ("sg-1",)
    interfaces: dict[str, NetworkInterface] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def subnet(self, region: str, subnet_id: str) -> Subnet | None:
        if subnet_id not in self.subnets:
            return None
        return Subnet(
            id=subnet_id,
            vpc_id="vpc-1",
            availability_zone=region + subnet_id[-1],
            cidr_block="10.0.0.0/24",
        )

    def security_group_exists(self, region: str, group_id: str) -> bool:
        return group_id in self.groups

    def create_interface(
        self, region: str, subnet_id: str, security_groups: Sequence[str], description: str
    ) -> NetworkInterface:
        number = next(self.numbers)
        made = NetworkInterface(
            id=f"eni-{number:017x}",
            subnet_id=subnet_id,
            private_ipv4_address=f"10.0.{number // 250}.{number % 250 + 4}",
            mac_address="0a:00:00:00:00:01",
        )
        self.interfaces[made.id] = made
        return made

    def delete_interface(self, region: str, interface_id: str) -> None:
        self.interfaces.pop(interface_id, None)


@dataclass
class FakeRoles:
    roles: set[str] = field(default_factory=lambda: {ROLE})

    def role_exists(self, role_arn: str) -> bool:
        return role_arn in self.roles


@dataclass
class World:
    """Everything around ECS: it outlives a restart of the plane."""

    state_dir: Path
    time_scale: float = 100
    machine: FakeMachine = field(default_factory=FakeMachine)
    registrar: FakeRegistrar = field(default_factory=FakeRegistrar)
    images: FakeImages = field(default_factory=FakeImages)
    logs: FakeLogs = field(default_factory=FakeLogs)
    secrets: FakeSecrets = field(default_factory=FakeSecrets)
    network: FakeNetwork = field(default_factory=FakeNetwork)
    roles: FakeRoles = field(default_factory=FakeRoles)

    def __post_init__(self) -> None:
        self.registrar.add_group(TARGET_GROUP)
        self.logs.groups.add("/ecs/web")

    @property
    def runtime(self) -> FakeRuntime:
        return FakeRuntime(self.machine)

    @contextmanager
    def plane(self, runtime: ContainerRuntime | None = None) -> Iterator[EcsPlane]:
        store = RecordStore(self.state_dir / "records.db")
        plane = EcsPlane(
            store=store,
            runtime=runtime or self.runtime,
            registrar=self.registrar,
            images=self.images,
            logs=self.logs,
            secrets=self.secrets,
            network=self.network,
            roles=self.roles,
            time_scale=TimeScale(self.time_scale),
            task_environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
        )
        plane.start()
        try:
            yield plane
        finally:
            plane.stop()
            store.close()

    @contextmanager
    def client(self) -> Iterator[BaseClient]:
        """Serve a fresh plane over HTTP on this world and yield a boto3 client of it."""
        with self.plane() as plane, serve(plane) as url:
            yield ecs_client(url)


@contextmanager
def serve(plane: EcsPlane) -> Iterator[str]:
    """Serve only ECS over HTTP and yield its address."""
    server = make_server("127.0.0.1", 0, _application(plane), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _application(plane: EcsPlane) -> WSGIApplication:
    @Request.application
    def application(request: Request) -> Response:
        answer = plane.service.handle(
            RequestContext(account_id=ACCOUNT, region=REGION),
            WireRequest(
                method=request.method,
                path=request.path,
                query_string=request.query_string.decode(),
                headers=dict(request.headers),
                body=request.get_data(),
            ),
        )
        return Response(answer.body, status=answer.status, headers=dict(answer.headers))

    return application


def ecs_client(url: str) -> BaseClient:
    client: BaseClient = boto3.client(
        "ecs",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )
    return client


NETWORK = {
    "awsvpcConfiguration": {
        "subnets": ["subnet-a", "subnet-b"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": "DISABLED",
    }
}


def web_definition(image: str = "example/web:1", **extra: object) -> dict[str, object]:
    """A Fargate task definition with one container `web` on port 80."""
    container = {
        "name": "web",
        "image": image,
        "essential": True,
        "portMappings": [{"containerPort": 80, "protocol": "tcp"}],
        **extra,
    }
    return {
        "family": "web",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": ROLE,
        "containerDefinitions": [container],
    }


LOAD_BALANCERS = [{"targetGroupArn": TARGET_GROUP, "containerName": "web", "containerPort": 80}]
