"""The scripts in the delivery pipeline, run for real: the health gate and the choice of a target group.

The gate meets a TLS server behind a CONNECT proxy, as a delegate meets a load balancer.
"""

import http.server
import itertools
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from harness_files import entities, script, stages, steps

DOMAIN = "prod.example.test"
BALANCER = "balancer.elb.example.test"
pytestmark = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl on PATH"
)


def step_named(identifier: str) -> dict[str, object]:
    (prod,) = (
        stage
        for stage in stages(entities("pipelines")["workshop_cd"])
        if stage["identifier"] == "prod_backend"
    )
    (found,) = (step for step in steps(prod) if step["identifier"] == identifier)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    version: str | None


OLD = Answer(status=200, version="old")
NEW = Answer(status=200, version="new")
BROKEN_NEW = Answer(status=503, version="new")
BROKEN_OLD = Answer(status=503, version="old")
NOBODY = Answer(status=503, version=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """Where the gate goes: through this proxy, trusting this authority."""

    proxy: str
    bundle: Path


@contextmanager
def balancer(answers: Sequence[Answer], folder: Path) -> Iterator[Road]:
    turn = itertools.cycle(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = next(turn)
            body = json.dumps({"status": answer.status}).encode()
            self.send_response(answer.status)
            if answer.version is not None:
                self.send_header("X-App-Version", answer.version)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            return

    bundle = write_certificate(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with connect_proxy(server.server_address[1]) as proxy:
        yield Road(proxy=proxy, bundle=bundle)
    server.shutdown()
    server.server_close()


def write_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(DOMAIN)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    bundle = folder / "bundle.pem"
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return bundle


@contextmanager
def connect_proxy(port: int) -> Iterator[str]:
    """Forward CONNECTs for the load balancer's own name, and no other, to `port`."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, args=(listener, port), daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def accept(listener: socket.socket, port: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=tunnel, args=(client, port), daemon=True).start()


def tunnel(client: socket.socket, port: int) -> None:
    request = client.recv(65536).decode()
    if not request.startswith(f"CONNECT {BALANCER}:443 "):
        client.sendall(b"HTTP/1.1 502 Unknown host\r\n\r\n")
        client.close()
        return
    upstream = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    threading.Thread(target=copy, args=(client, upstream), daemon=True).start()
    copy(upstream, client)


def copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            target.sendall(chunk)
    except OSError:
        pass
    finally:
        target.close()


def run_gate(road: Road, requests: int = 20) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "https_proxy": road.proxy,
        "CURL_CA_BUNDLE": str(road.bundle),
        "DOMAIN": DOMAIN,
        "LOAD_BALANCER": BALANCER,
        "TAG": "new",
        "WEIGHT": "10",
        "REQUESTS": str(requests),
        "MAX_ERROR_PERCENT": "10",
    }
    return subprocess.run(
        ["bash", "-c", script(step_named("health_gate_10"))],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "answers",
    [[OLD, OLD, OLD, NEW], [NEW], [NEW] + [OLD] * 18 + [BROKEN_OLD]],
    ids=["both-well", "only-new", "few-old-failures"],
)
def test_gate_opens(answers: list[Answer], tmp_path: Path) -> None:
    with balancer(answers, tmp_path) as road:
        done = run_gate(road)
    assert done.returncode == 0, done.stderr
    assert "20 requests:" in done.stdout


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([OLD], "new answered none of 20 requests"),
        ([OLD] * 9 + [BROKEN_NEW], "2 of 2 answers of new were not 200"),
        ([NEW, OLD, OLD, NOBODY], "5 of 20 requests failed"),
    ],
    ids=["new-never-answers", "new-not-ready", "too-many-failures"],
)
def test_gate_fails_with_the_reason(answers: list[Answer], reason: str, tmp_path: Path) -> None:
    with balancer(answers, tmp_path) as road:
        done = run_gate(road)
    assert done.returncode == 1
    assert f"Health gate failed at weight 10: {reason}" in done.stderr


def test_gate_shows_one_failed_answer(tmp_path: Path) -> None:
    with balancer([OLD, BROKEN_NEW], tmp_path) as road:
        done = run_gate(road)
    assert 'one such answer: {"status": 503}' in done.stdout


def test_gate_fails_when_nothing_can_be_reached(tmp_path: Path) -> None:
    with balancer([NEW], tmp_path) as road:
        unreachable = Road(proxy="http://127.0.0.1:1", bundle=road.bundle)
        done = run_gate(unreachable, requests=3)
    assert done.returncode == 1
    assert "3 without an answer" in done.stdout


def test_gate_refuses_a_certificate_that_it_does_not_trust(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with balancer([NEW], tmp_path) as road:
        done = run_gate(Road(proxy=road.proxy, bundle=write_certificate(other)), requests=3)
    assert done.returncode == 1


def test_every_weight_passes_the_same_gate() -> None:
    gates = {script(step_named(f"health_gate_{weight}")) for weight in (10, 25, 50, 100)}
    assert len(gates) == 1


FAKE_AWS = """#!{python}
import json, os, sys
import jmespath
arguments = sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
answers = json.loads(os.environ["ANSWERS"])
found = jmespath.search(arguments[arguments.index("--query") + 1], answers[arguments[1]])
print("None" if found is None else found)
"""


def run_with_aws(identifier: str, answers: object, folder: Path, **environment: str) -> str:
    (folder / "aws").write_text(FAKE_AWS.format(python=sys.executable))
    (folder / "aws").chmod(0o755)
    shown = 'echo "STAGE=${STAGE_TARGET_GROUP:-} FIRST=${FIRST_DEPLOYMENT:-}"'
    done = subprocess.run(
        ["bash", "-c", f"{script(step_named(identifier))}\n{shown}"],
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "CALLS": str(folder / "calls"),
            "ANSWERS": json.dumps(answers),
            "REGION": "us-east-1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def rule(blue: int, green: int) -> dict[str, object]:
    groups = [
        {"TargetGroupArn": "arn:blue", "Weight": blue},
        {"TargetGroupArn": "arn:green", "Weight": green},
    ]
    return {"Rules": [{"Actions": [{"ForwardConfig": {"TargetGroups": groups}}]}]}


@pytest.mark.parametrize(
    ("blue", "green", "targets", "expected"),
    [
        (100, 0, 2, "STAGE=arn:green FIRST=false"),
        (0, 100, 2, "STAGE=arn:blue FIRST=false"),
        (100, 0, 0, "STAGE=arn:green FIRST=true"),
    ],
    ids=["blue-live", "green-live", "nothing-live"],
)
def test_new_version_goes_where_the_traffic_is_not(
    blue: int, green: int, targets: int, expected: str, tmp_path: Path
) -> None:
    answers = {
        "describe-rules": rule(blue, green),
        "describe-target-health": {"TargetHealthDescriptions": [{}] * targets},
    }
    output = run_with_aws(
        "select_target_group",
        answers,
        tmp_path,
        RULE="arn:rule",
        BLUE="arn:blue",
        GREEN="arn:green",
    )
    assert expected in output


def service(name: str, group: str, status: str = "ACTIVE") -> dict[str, object]:
    return {
        "serviceName": name,
        "status": status,
        "runningCount": 0,
        "loadBalancers": [{"targetGroupArn": group}],
    }


def test_only_the_service_behind_the_old_target_group_is_scaled_down(tmp_path: Path) -> None:
    answers = {
        "describe-services": {"services": [service("x__1", "arn:old"), service("x__2", "arn:new")]},
        "update-service": {"service": {"status": "ACTIVE"}},
    }
    run_with_aws("scale_down", answers, tmp_path, **DOWN)
    updates = [call for call in calls(tmp_path) if call[1] == "update-service"]
    assert len(updates) == 1
    assert updates[0][updates[0].index("--service") + 1] == "x__1"
    assert updates[0][updates[0].index("--desired-count") + 1] == "0"


def test_nothing_is_scaled_down_when_no_old_service_is_left(tmp_path: Path) -> None:
    answers = {"describe-services": {"services": [service("x__1", "arn:new")]}}
    assert "no old service" in run_with_aws("scale_down", answers, tmp_path, **DOWN)
    assert [call[1] for call in calls(tmp_path)] == ["describe-services"]


DOWN = {"CLUSTER": "c", "SERVICE": "x", "OLD_TARGET_GROUP": "arn:old"}


def calls(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "calls").read_text().splitlines()]
