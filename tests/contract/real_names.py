"""Two networks: a client that knows only real host names, and what stands behind them.

The client's network has one wire, and at its other end are a resolver and a TLS terminator
before a second, independent sandbox: AWS, Harness and GitHub. Of all else only the package
registries of `real_names_world` can be reached from there, and what is tried is recorded.
"""

import contextlib
import json
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox_command import PROGRAM, PROJECT

from sandbox.aws.ca import CertificateAuthority

ACCOUNT = "123456789012"
REGION, OTHER_REGION = "us-east-1", "eu-west-1"
HARNESS_ACCOUNT = "a1B2c3D4e5F6g7H8i9J0kL"
HARNESS_KEY = f"pat.{HARNESS_ACCOUNT}.0123456789abcdef01234567.abcdefghij0123456789"
CLIENT_ADDRESS, WORLD_ADDRESS = "10.213.0.2", "10.213.0.1"
RELAY_NETWORK = "10.213.1.0/24"
RELAY_ADDRESSES = tuple(f"10.213.1.{number}" for number in range(1, 17))
NAMES = (
    "*.amazonaws.com",
    f"*.{REGION}.amazonaws.com",
    f"*.{OTHER_REGION}.amazonaws.com",
    f"*.ecr.{REGION}.amazonaws.com",
    f"*.dkr.ecr.{REGION}.amazonaws.com",
    "*.s3.amazonaws.com",
    f"*.s3.{REGION}.amazonaws.com",
    f"*.s3-control.{REGION}.amazonaws.com",
    "app.harness.io",
    "github.com",
)
"""As AWS's own certificates have them: one label a star."""
TRUST = (
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
)
_FOREIGN = ("SANDBOX_", "FAKE_HARNESS_", "AWS_", "HARNESS_", "TF_", "HTTP", "http", "NO_PROXY")


def why_not() -> str:
    """Return why this machine cannot make the two networks; "" when it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "ip (iproute2) is not on PATH"
    probe = f"sbxp-{os.getpid():x}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, check=False)
    if made.returncode != 0:
        return f"network namespaces are not permitted: {made.stderr.decode().strip()}"
    subprocess.run(["ip", "netns", "del", probe], check=True)
    return ""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One of the two networks, and the environment of what runs in it."""

    namespace: str
    env: Mapping[str, str]

    def run(
        self, *command: str, env: Mapping[str, str] | None = None, timeout: float = 900
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there, with nobody to answer questions."""
        return subprocess.run(
            self.command(*command),
            cwd=PROJECT,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def must(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        """Run a command that has to succeed; return what it printed."""
        done = self.run(*command, env=env)
        assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def sandbox(self, *arguments: str) -> str:
        """Run the sandbox's command there; it has to succeed."""
        return self.must(str(PROGRAM), *arguments)

    def command(self, *command: str) -> list[str]:
        """Return what runs a command there."""
        return ["ip", "netns", "exec", self.namespace, *command]


@dataclass(frozen=True, kw_only=True)
class RealNames:
    """The two networks, made."""

    client: Place
    world: Place
    journal: Path

    def seen(self, kind: str) -> list[dict[str, Any]]:
        """Return what the client was seen doing."""
        rows = [json.loads(row) for row in self.journal.read_text().splitlines()]
        return [row for row in rows if row["kind"] == kind]

    def names(self) -> set[str]:
        """Return the names to which the client connected."""
        return {row["name"] for row in self.seen("connection")}

    def strays(self) -> list[dict[str, Any]]:
        """Return every attempt to reach something that the world's resolver does not know."""
        kinds = ("lookup", "tls", "connection")
        unknown = [row for kind in kinds for row in self.seen(kind) if not row["known"]]
        return unknown + self.seen("stray")


@contextmanager
def real_names(folder: Path) -> Iterator[RealNames]:
    """Make both networks with a sandbox behind the names; take all down at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = f"{os.getpid():x}"
    # The authority of all names; the certificates that ACM issues there come from it, too.
    authority = CertificateAuthority.open(folder / "world" / "ca")
    trust = shutil.copy(folder / "world" / "ca" / "bundle.pem", folder / "trust.pem")
    signed = authority.issue(NAMES)
    certificate = folder / "names.pem"
    certificate.write_bytes(signed.certificate_pem + signed.private_key_pem)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    world = Place(namespace=f"sbxw-{mark}", env={**kept, **_world_settings(folder / "world")})
    client = Place(
        namespace=f"sbxc-{mark}",
        env={**kept, **_client_variables(folder / "client", trust)},
    )
    with ExitStack() as stack:
        stack.enter_context(_networks(client.namespace, world.namespace))
        stack.enter_context(_emulator(world, folder))
        outside = stack.enter_context(_way_out(folder / "outside.sock"))
        journal = folder / "journal.ndjson"
        stack.enter_context(_front(world, journal, certificate, outside, folder))
        yield RealNames(client=client, world=world, journal=journal)


def _world_settings(home: Path) -> dict[str, str]:
    return {
        "SANDBOX_HOME": str(home),
        "SANDBOX_ACCOUNT_ID": ACCOUNT,
        "SANDBOX_REGION": REGION,
        "SANDBOX_HARNESS_ACCOUNT_ID": HARNESS_ACCOUNT,
        "SANDBOX_HARNESS_API_KEY": HARNESS_KEY,
        "SANDBOX_TIME_SCALE": "10",
        "SANDBOX_ENGINE": "process",
    }


def _client_variables(home: Path, trust: Path) -> dict[str, str]:
    """Return what a person has set: keys, region, accounts and the trust. No endpoint."""
    return {
        **dict.fromkeys(TRUST, str(trust)),
        "SANDBOX_HOME": str(home),
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "HARNESS_ACCOUNT_ID": HARNESS_ACCOUNT,
        "HARNESS_PLATFORM_API_KEY": HARNESS_KEY,
        # Terraform asks HashiCorp for its own newest version otherwise.
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
    }


@contextmanager
def _networks(client: str, world: str) -> Iterator[None]:
    """Join two namespaces by one wire; the client's default route ends at the other side."""
    resolver = Path("/etc/netns") / client
    with ExitStack() as stack:
        for namespace in (client, world):
            _ip("netns", "add", namespace)
            stack.callback(_ip, "netns", "del", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", client, "link", "add", "wire0", "type", "veth", "peer", "wire1", "netns", world)
        for namespace, wire, address in (
            (client, "wire0", CLIENT_ADDRESS),
            (world, "wire1", WORLD_ADDRESS),
        ):
            _ip("-n", namespace, "addr", "add", f"{address}/30", "dev", wire)
            _ip("-n", namespace, "link", "set", wire, "up")
        _ip("-n", client, "route", "add", "default", "via", WORLD_ADDRESS)
        _ip("-n", world, "route", "add", "local", RELAY_NETWORK, "dev", "lo")
        # What goes elsewhere is seen on the wire, then refused at once instead of lost.
        _ip("-n", world, "route", "add", "unreachable", "default")
        forwarding = ("sysctl", "-qw", "net.ipv4.ip_forward=1")
        subprocess.run(["ip", "netns", "exec", world, *forwarding], check=True)
        resolver.mkdir(parents=True)
        stack.callback(shutil.rmtree, resolver)
        (resolver / "resolv.conf").write_text(f"nameserver {WORLD_ADDRESS}\n")
        (resolver / "hosts").write_text("127.0.0.1 localhost\n")
        yield


@contextmanager
def _emulator(world: Place, folder: Path) -> Iterator[None]:
    """Run a sandbox without a delegate: the client's one is the only one."""
    parts = ("aws", "envoy", "proxy", "harness", "engine", "git")
    with (folder / "world.log").open("w") as log:
        process = subprocess.Popen(
            world.command(str(PROGRAM), "serve", *parts),
            env=dict(world.env),
            cwd=PROJECT,
            stdout=log,
            stderr=log,
        )
        try:
            for port, path, text in (
                ("4566", "/_sandbox/health", ""),
                ("7457", "/health", '"engine":"running"'),
            ):
                _await_health(world, process, f"http://127.0.0.1:{port}{path}", text, log.name)
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)
            world.run(str(PROGRAM), "down", "--purge")


def _await_health(
    world: Place, process: subprocess.Popen[bytes], url: str, text: str, log: str
) -> None:
    deadline = time.monotonic() + 120
    while True:
        done = world.run("curl", "--silent", "--fail", url)
        if done.returncode == 0 and text in done.stdout.replace(" ", ""):
            return
        assert process.poll() is None, Path(log).read_text()
        assert time.monotonic() < deadline, Path(log).read_text()
        time.sleep(0.2)


class _Registry(socketserver.StreamRequestHandler):
    """One connection to a package registry: its first line names the host and the port."""

    rbufsize = 0

    def handle(self) -> None:
        """Copy bytes both ways until either side ends."""
        name, port = self.rfile.readline().decode().split()
        with socket.create_connection((name, int(port)), timeout=30) as other:
            other.settimeout(None)
            back = threading.Thread(target=_copy, args=(other, self.request), daemon=True)
            back.start()
            _copy(self.request, other)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class _WayOut(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave it to the client, which sees its connection end."""


@contextmanager
def _way_out(place: Path) -> Iterator[Path]:
    """Serve the way to the package registries: a file, so it is in both networks' reach."""
    with _WayOut(str(place), _Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield place
        server.shutdown()


@contextmanager
def _front(
    world: Place, journal: Path, certificate: Path, outside: Path, folder: Path
) -> Iterator[None]:
    settings = json.loads(world.sandbox("config", "--json"))
    value = {row["name"]: row["value"] for row in settings}
    command = world.command(
        *(sys.executable, str(Path(__file__).with_name("real_names_world.py"))),
        *("--address", WORLD_ADDRESS, "--interface", "wire1"),
        *("--aws-port", value["SANDBOX_AWS_PORT"]),
        *("--harness-port", value["SANDBOX_HARNESS_PORT"]),
        *("--git-port", value["SANDBOX_GIT_PORT"]),
        *("--outside", str(outside)),
        *("--relays", *RELAY_ADDRESSES),
        *("--names-file", str(folder / "world" / "names.json")),
        *("--certificate", str(certificate)),
    )
    with journal.open("w") as out, (folder / "front.log").open("w") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=dict(world.env))
        try:
            _await_ready(process, journal, folder / "front.log")
            yield
        finally:
            process.kill()
            process.wait()


def _await_ready(process: subprocess.Popen[bytes], journal: Path, log: Path) -> None:
    deadline = time.monotonic() + 30
    while "ready" not in journal.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
