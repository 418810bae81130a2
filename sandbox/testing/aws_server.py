"""The local AWS as `forkserver` runs it: the real gateway over a fresh state for each test."""

import importlib
import re
import shutil
import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.aws.moto_plane import ec2_tables

ec2_tables.install()  # before any part imports moto's EC2, if only by the way

from moto.core.utils import get_service_model  # noqa: E402
from werkzeug.test import Client  # noqa: E402

from sandbox.aws.ca import CertificateAuthority  # noqa: E402
from sandbox.aws.composition import build_gateway  # noqa: E402
from sandbox.aws.elbv2 import xds  # noqa: E402
from sandbox.aws.runtime.fake import FakeRuntime, Program  # noqa: E402
from sandbox.aws.runtime.port import HealthStatus  # noqa: E402
from sandbox.settings import Settings  # noqa: E402
from sandbox.testing.forkserver import Json  # noqa: E402
from sandbox.testing.recorder import Recorder  # noqa: E402
from sandbox.testing.targets import PretendEnvoy, StandingRuntime  # noqa: E402
from sandbox.testing.web import serve  # noqa: E402

_ANY_MESSAGE = "envoy.service.discovery.v3.DeltaDiscoveryRequest"
_GROUP_ARN = re.compile("<TargetGroupArn>([^<]+)</TargetGroupArn>")
_WARM_UPS = (
    ("ec2", "Action=DescribeSubnets&Version=2016-11-15"),
    ("iam", "Action=ListRoles&Version=2010-05-08"),
    ("s3", ""),
    ("sts", "Action=GetCallerIdentity&Version=2011-06-15"),
    ("secretsmanager", "secretsmanager.ListSecrets"),
    ("logs", "Logs_20140328.DescribeLogGroups"),
    ("sqs", "AmazonSQS.ListQueues"),
    ("sns", "Action=ListTopics&Version=2010-03-31"),
    ("ssm", "AmazonSSM.DescribeParameters"),
    ("dynamodb", "DynamoDB_20120810.ListTables"),
    ("kms", "TrentService.ListKeys"),
)
"""Service and what is asked of it: its modules and its region are then there in every life."""


class AwsServer:
    """See `forkserver.Server`."""

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self._port = int(listener.getsockname()[1])
        rehearsal = self._settings(folder / "rehearsal", "fake")
        self._ca_dir = rehearsal.ca_dir
        CertificateAuthority.open(self._ca_dir)
        # Built once to no other end than to have everything imported, and moto's own state
        # (managed policies, default network) made: a fork has it at once.
        self._rehearsal = Client(build_gateway(rehearsal))
        xds.message_class(_ANY_MESSAGE)
        importlib.import_module("grpc._server")
        self.warm_ups: Sequence[Callable[[], object]] = [
            partial(get_service_model, "ec2"),  # the largest, so in a step of its own
            *(partial(self._ask, *warm_up) for warm_up in _WARM_UPS),
        ]
        self._recorder: Recorder | None = None
        self._runtime: StandingRuntime | None = None

    def prepare(self, home: Path, wish: Json) -> None:
        """Build the gateway anew, and start its loops: they find nothing to do."""
        settings = self._settings(home, wish["runtime"], time_scale=wish["timeScale"])
        shutil.copytree(self._ca_dir, settings.ca_dir)
        if wish["runtime"] == "fake":
            self._runtime = StandingRuntime()
        gateway = build_gateway(settings, runtime=self._runtime)
        self._recorder = Recorder(gateway, settings.region)
        if self._runtime is not None:
            groups = partial(_target_groups, Client(gateway), self._recorder)
            PretendEnvoy(settings, self._runtime, groups).start()
        gateway.start()

    def start(self, listener: socket.socket) -> None:
        """Serve."""
        assert self._recorder is not None  # noqa: S101  set by prepare
        serve(self._recorder, listener)

    def call(self, name: str, arguments: Json) -> object:
        """Answer for the recorder, and steer the fake runtime."""
        if name == "calls":
            assert self._recorder is not None  # noqa: S101  set by prepare
            return self._recorder.calls(arguments["after"])
        if self._runtime is None:
            raise ValueError(f"{name} needs the fake runtime; this sandbox runs real processes")
        return _STEERING[name](self._runtime, arguments)

    def end_leftovers(self, home: Path) -> None:
        """Kill the processes of tasks that a life of `process` left."""
        root = home / "aws" / "runtime"
        if root.exists():
            from sandbox.aws.runtime.process import stop_all_tasks

            stop_all_tasks(root, timeout_s=0)

    def _settings(self, home: Path, runtime: str, **more: Any) -> Settings:
        return Settings(
            home=home,
            aws_port=self._port,
            engine="process" if runtime == "process" else "fake",
            task_network=f"127.{10 + self._port % 200}.0.0/16",
            **more,
        )

    def _ask(self, service: str, what: str) -> None:
        scope = f"Credential=WARMUP/20260101/us-east-1/{service}/aws4_request"
        headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}"}
        if not what:
            self._rehearsal.get("/", headers=headers)
        elif what.startswith("Action="):
            kind = "application/x-www-form-urlencoded"
            self._rehearsal.post("/", headers=headers, data=what, content_type=kind)
        else:
            headers["X-Amz-Target"] = what
            kind = "application/x-amz-json-1.1"
            self._rehearsal.post("/", headers=headers, data="{}", content_type=kind)


def _target_groups(client: Client, recorder: Recorder) -> list[str]:
    """Return the ARNs of all target groups, in the regions where somebody called."""
    found: list[str] = []
    for region in {call["region"] for call in recorder.calls() if call["service"] == "elbv2"}:
        scope = f"Credential=HEALTH/20260101/{region}/elasticloadbalancing/aws4_request"
        answer = client.post(
            "/",
            headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}"},
            data="Action=DescribeTargetGroups&Version=2015-12-01",
            content_type="application/x-www-form-urlencoded",
        )
        found += _GROUP_ARN.findall(answer.get_data(as_text=True))
    return found


def _script(runtime: FakeRuntime, arguments: Json) -> object:
    program = dict(arguments["program"])
    program["stdout"] = tuple(program.get("stdout", ()))
    program["health"] = _health(program.get("health", HealthStatus.HEALTHY))
    with runtime.machine.lock:
        runtime.machine.programs[arguments["image"]] = Program(**program)
    return None


def _exit(runtime: FakeRuntime, arguments: Json) -> object:
    runtime.exit_container(arguments["task"], arguments["container"], arguments["exitCode"])
    return None


def _set_health(runtime: FakeRuntime, arguments: Json) -> object:
    health = _health(arguments["health"])
    runtime.set_health(arguments["task"], arguments["container"], health)
    return None


def _health(named: str) -> HealthStatus:
    verdicts = (HealthStatus.HEALTHY, HealthStatus.UNHEALTHY)
    if named not in verdicts:
        raise ValueError(f"health={named!r} is not one of {', '.join(verdicts)}")
    return HealthStatus(named)


def _write_log(runtime: FakeRuntime, arguments: Json) -> object:
    runtime.write_log(arguments["task"], arguments["container"], arguments["lines"])
    return None


def _containers(runtime: StandingRuntime, _arguments: Json) -> object:
    with runtime.machine.lock:
        return list(runtime.told)


_STEERING: dict[str, Callable[[StandingRuntime, Json], object]] = {
    "script": _script,
    "exit": _exit,
    "setHealth": _set_health,
    "writeLog": _write_log,
    "containers": _containers,
}
