"""An ELBv2 of our own over HTTP with a real Envoy, and small targets, for contract tests."""

import contextlib
import json
import logging
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config
from patience import eventually
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from sandbox.aws.elbv2 import bootstrap
from sandbox.aws.elbv2.admin import EnvoyAdmin
from sandbox.aws.elbv2.plane import Elbv2Plane
from sandbox.aws.ports import Certificate, NetworkInterface, Subnet
from sandbox.aws.store import RecordStore
from sandbox.aws.wire import RequestContext, WireRequest
from sandbox.clock import TimeScale

ACCOUNT = "000000000000"
REGION = "us-east-1"
VPC = "vpc-1"
SUBNETS = ("subnet-a", "subnet-b")
logging.getLogger("werkzeug").setLevel(logging.WARNING)
_networks = iter(range(100, 250))


class Network:
    """Two subnets in two zones, one more in the first, and one security group."""

    _subnets: Mapping[str, Subnet] = {
        "subnet-a": Subnet(
            id="subnet-a", vpc_id=VPC, availability_zone="us-east-1a", cidr_block="10.0.1.0/24"
        ),
        "subnet-b": Subnet(
            id="subnet-b", vpc_id=VPC, availability_zone="us-east-1b", cidr_block="10.0.2.0/24"
        ),
        "subnet-c": Subnet(
            id="subnet-c", vpc_id=VPC, availability_zone="us-east-1a", cidr_block="10.0.3.0/24"
        ),
    }

    def subnet(self, region: str, subnet_id: str) -> Subnet | None:
        return self._subnets.get(subnet_id) if region == REGION else None

    def security_group_exists(self, region: str, group_id: str) -> bool:
        return region == REGION and group_id == "sg-1"

    def create_interface(
        self, region: str, subnet_id: str, security_groups: Sequence[str], description: str
    ) -> NetworkInterface:
        raise NotImplementedError

    def delete_interface(self, region: str, interface_id: str) -> None:
        raise NotImplementedError


class Certificates(dict[str, Certificate]):
    """ACM as a dictionary."""

    def certificate(self, arn: str) -> Certificate | None:
        return self.get(arn)


@dataclass
class Target:
    """A small HTTP server; answers its name, what it was asked, and what it was told to do."""

    name: str
    address: str
    port: int = 0
    status: int = 200
    health_status: int = 200
    delay_s: float = 0
    is_rude: bool = False
    """Closes the connection instead of answering."""
    is_hung: bool = False
    """Accepts a request, and answers none."""
    probes: int = 0
    last_probe_path: str = ""
    requests: int = 0
    server: ThreadingHTTPServer | None = None

    def start(self) -> "Target":  # noqa: C901  the handler's few branches
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One write an answer: else Nagle's algorithm costs 40 ms each.
            wbufsize = -1

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                received = self.rfile.read(length) if length else b""
                if target.is_hung:
                    time.sleep(10)
                if (self.headers.get("user-agent") or "").startswith("ELB-HealthChecker"):
                    target.probes += 1
                    target.last_probe_path = self.path
                    return self.answer(target.health_status, {})
                target.requests += 1
                if self.headers.get("upgrade") == "websocket":
                    return self.echo()
                if target.is_rude:
                    self.close_connection = True
                    return None
                if target.delay_s:
                    time.sleep(target.delay_s)
                seen = {k.lower(): v for k, v in self.headers.items()}
                return self.answer(
                    target.status,
                    {
                        "target": target.name,
                        "path": self.path,
                        "headers": seen,
                        "bytes": len(received),
                    },
                )

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  the base class's names

            def answer(self, status: int, body: Mapping[str, object]) -> None:
                data = b"" if status == 204 else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("X-Target", target.name)
                self.end_headers()
                self.wfile.write(data)

            def echo(self) -> None:
                self.send_response(101)
                self.send_header("Connection", "Upgrade")
                self.send_header("Upgrade", "websocket")
                self.end_headers()
                self.wfile.flush()
                self.wfile.write(self.rfile.readline())
                self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *args: object) -> None:
                pass

        self.server = Server((self.address, self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


@dataclass
class World:
    """One sandboxed ELBv2: control plane behind HTTP, Envoy, targets."""

    time_scale: float = 10
    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="elb-", dir="/tmp")))
    certificates: Certificates = field(default_factory=Certificates)
    number: int = field(default_factory=lambda: next(_networks))
    envoy: subprocess.Popen[bytes] | None = None
    plane: Elbv2Plane = field(init=False)
    server: BaseWSGIServer | None = None
    port: int = 0
    targets: list[Target] = field(default_factory=list)

    @property
    def envoy_dir(self) -> Path:
        return self.home / "envoy"

    @property
    def ads_socket(self) -> Path:
        return self.envoy_dir / "ads.sock"

    @property
    def names_file(self) -> Path:
        return self.home / "names.json"

    def start_plane(self) -> None:
        self.plane = Elbv2Plane(
            store=RecordStore(self.home / "store.db"),
            network=Network(),
            certificates=self.certificates,
            time_scale=TimeScale(self.time_scale),
            alb_network=f"127.{self.number}.0.0/16",
            names_file=self.names_file,
            envoy_dir=self.envoy_dir,
            ads_socket=self.ads_socket,
        )
        self.plane.start()
        self.server = make_server("127.0.0.1", self.port, self._application, threaded=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop_plane(self) -> None:
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()
        self.plane.stop()

    def _application(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        wire = WireRequest(
            method=request.method,
            path=request.path,
            query_string=request.query_string.decode(),
            headers=dict(request.headers),
            body=request.get_data(),
        )
        context = RequestContext(account_id=ACCOUNT, region=REGION)
        answer = self.plane.service.handle(context, wire)
        response = Response(answer.body, answer.status, dict(answer.headers))
        return response(environ, start_response)

    def start_envoy(self) -> None:
        """Called from the main thread: Envoy dies with the thread that started it."""
        bootstrap.write_bootstrap(self.envoy_dir, self.ads_socket)
        log = (self.home / "envoy.log").open("ab")
        with log:
            command = bootstrap.envoy_command(self.envoy_dir, concurrency=1)
            self.envoy = subprocess.Popen(command, stderr=log, stdout=log)
        self.await_envoy()

    def await_envoy(self) -> None:
        admin = EnvoyAdmin(bootstrap.admin_socket(self.envoy_dir))
        eventually(admin.is_live, "Envoy is live")

    def kill_envoy(self) -> None:
        assert self.envoy is not None
        self.envoy.kill()
        self.envoy.wait()

    def client(self) -> Any:
        return boto3.client(
            "elbv2",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def target(self, name: str, **settings: Any) -> Target:
        """Start a target on an address of its own."""
        address = f"127.{self.number}.200.{len(self.targets) + 1}"
        target = Target(name=name, address=address, **settings).start()
        self.targets.append(target)
        return target

    def close(self) -> None:
        self.stop_plane()
        if self.envoy is not None:
            self.envoy.terminate()
            self.envoy.wait()
        for target in self.targets:
            target.stop()
        shutil.rmtree(self.home)


@contextlib.contextmanager
def world(**settings: Any) -> Iterator[World]:
    made = World(**settings)
    made.start_plane()
    made.start_envoy()
    try:
        yield made
    finally:
        made.close()


class Alb:
    """A load balancer made through the API, with one HTTP listener."""

    def __init__(self, made: World, name: str = "lab") -> None:
        self.world = made
        self.elb = made.client()
        self.load_balancer = self.elb.create_load_balancer(
            Name=name, Subnets=list(SUBNETS), SecurityGroups=["sg-1"]
        )["LoadBalancers"][0]
        self.arn = self.load_balancer["LoadBalancerArn"]
        self.dns_name = self.load_balancer["DNSName"]

    def group(self, name: str, **settings: Any) -> str:
        defaults = {
            "Protocol": "HTTP",
            "Port": 80,
            "VpcId": VPC,
            "TargetType": "ip",
            "HealthCheckIntervalSeconds": 5,
            "HealthCheckTimeoutSeconds": 2,
            "HealthyThresholdCount": 2,
        }
        made = self.elb.create_target_group(Name=name, **(defaults | settings))
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def listener(self, action: Mapping[str, object] | str, **settings: Any) -> str:
        chosen = forward(action) if isinstance(action, str) else action
        settings = {"Protocol": "HTTP", "Port": 80} | settings
        made = self.elb.create_listener(
            LoadBalancerArn=self.arn, DefaultActions=[chosen], **settings
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def register(self, group: str, *targets: Target) -> None:
        self.elb.register_targets(
            TargetGroupArn=group, Targets=[{"Id": t.address, "Port": t.port} for t in targets]
        )

    def await_healthy(self, group: str, *targets: Target) -> None:
        self.elb.get_waiter("target_in_service").wait(
            TargetGroupArn=group,
            Targets=[{"Id": t.address, "Port": t.port} for t in targets],
            WaiterConfig={"Delay": 0.05, "MaxAttempts": 2400},
        )

    def health(self, group: str) -> dict[str, tuple[str, str, str]]:
        rows = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return {
            row["Target"]["Id"]: (
                row["TargetHealth"]["State"],
                row["TargetHealth"].get("Reason", ""),
                row["TargetHealth"].get("Description", ""),
            )
            for row in rows
        }

    def address(self, port: int = 80) -> tuple[str, int]:
        published = json.loads(self.world.names_file.read_text())[self.dns_name]
        return published["address"], published["ports"][str(port)]

    def url(self, path: str = "/", port: int = 80, scheme: str = "http") -> str:
        address, bound = self.address(port)
        return f"{scheme}://{address}:{bound}{path}"

    def get(self, path: str = "/", port: int = 80, **settings: Any) -> requests.Response:
        headers = {"Host": self.dns_name} | settings.pop("headers", {})
        settings = {"timeout": 10, "allow_redirects": False} | settings
        method = settings.pop("method", "GET")
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url(path, port), headers=headers, **settings)


def forward(*groups: str, weights: Sequence[int] = (), **config: Any) -> dict[str, object]:
    if len(groups) == 1 and not weights:
        return {"Type": "forward", "TargetGroupArn": groups[0]}
    rows = [{"TargetGroupArn": g, "Weight": w} for g, w in zip(groups, weights, strict=True)]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": rows, **config}}


def fixed(body: str, status: int = 200) -> dict[str, object]:
    return {
        "Type": "fixed-response",
        "FixedResponseConfig": {
            "StatusCode": str(status),
            "ContentType": "text/plain",
            "MessageBody": body,
        },
    }


_HTML = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "</body>\r\n</html>\r\n"
)


def assert_answered_by_the_load_balancer(answer: requests.Response, title: str) -> None:
    assert answer.status_code == int(title.split(maxsplit=1)[0])
    assert answer.headers["server"] == "awselb/2.0"
    assert answer.headers["content-type"] == "text/html"
    assert answer.text == _HTML.format(title)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
