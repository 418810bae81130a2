"""Requests per second through a load balancer against the same server hit directly."""

import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.load import Aim, Load, run
from benchmarks.report import Section
from benchmarks.stand import Stand, free_port, until

_SECONDS = 8.0
_NAME = "bench.example"
_APP = """
from flask import Flask
app = Flask(__name__)
@app.get("/api/health")
def health():
    return {"status": "ok"}
"""


def measure(stand: Stand, share: float) -> Section:
    """Serve one Flask application and ask it directly, over HTTP and over HTTPS."""
    seconds = max(1.0, _SECONDS * share)
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        (Path(folder) / "app.py").write_text(_APP)
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--chdir", folder, "-b", f"127.0.0.1:{port}",
             "-k", "gthread", "--threads", "8", "-w", "1", "app:app"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            certificate = _certificate(Path(folder))
            balancer = _balancer(stand, port, certificate)
            found = _loads(stand, balancer, port, str(Path(folder) / "cert.pem"), seconds)
        finally:
            server.terminate()
            server.wait()
    direct = found["direct"]
    rows = [
        (
            name,
            f"{load.per_second:.0f}",
            f"{load.p50_ms:.1f} / {load.p99_ms:.1f}",
            f"{load.per_second / direct.per_second:.2f}",
            str(load.failures),
        )
        for name, load in found.items()
    ]
    about = "Flask under gunicorn (one worker, 8 threads), 16 connections. Aim: half of direct."
    columns = ("path", "requests/s", "p50 / p99 ms", "ratio to direct", "failures")
    return Section("Load balancer against the target itself", about, columns, rows)


def _loads(stand: Stand, dns_name: str, port: int, ca_file: str, seconds: float) -> dict[str, Load]:
    listening = stand.status()["load_balancers"][dns_name]
    address, ports = listening["address"], listening["ports"]
    path = "/api/health"
    aims = {
        "direct": Aim("127.0.0.1", port, "127.0.0.1", path),
        "HTTP": Aim(address, int(ports["80"]), _NAME, path),
        "HTTPS": Aim(address, int(ports["443"]), _NAME, path, ca_file),
    }
    return {name: run(aim, seconds=seconds) for name, aim in aims.items()}


def _balancer(stand: Stand, port: int, certificate: dict[str, bytes]) -> str:
    ec2, elb, acm = (stand.client(name) for name in ("ec2", "elbv2", "acm"))
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=f"us-east-1{z}")
        for n, z in ((1, "a"), (2, "b"))
    ]
    arn = acm.import_certificate(**certificate)["CertificateArn"]
    made = elb.create_load_balancer(
        Name="bench", Subnets=[subnet["Subnet"]["SubnetId"] for subnet in subnets]
    )["LoadBalancers"][0]
    group = elb.create_target_group(
        Name="bench", Protocol="HTTP", Port=port, VpcId=vpc, TargetType="ip",
        HealthCheckPath="/api/health", HealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    actions = [{"Type": "forward", "TargetGroupArn": group}]
    balancer = made["LoadBalancerArn"]
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=actions)
    elb.create_listener(
        LoadBalancerArn=balancer, Protocol="HTTPS", Port=443, DefaultActions=actions,
        Certificates=[{"CertificateArn": arn}],
    )  # fmt: skip
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": port}])
    _await_healthy(elb, group)
    return str(made["DNSName"])


def _await_healthy(elb: Any, group: str) -> None:
    def is_healthy() -> bool:
        rows = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return bool(rows) and all(row["TargetHealth"]["State"] == "healthy" for row in rows)

    until(is_healthy, within_s=60, what="the target is healthy")


def _certificate(folder: Path) -> dict[str, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {"Certificate": pem, "PrivateKey": private}
