"""What `DockerRuntime` promises beyond the port's contract, on a real engine."""

import http.server
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker_case import PYTHON, make_runtime, python_image, require_engine
from ecr_server import ACCOUNT, EcrServer, serve
from own_images import HOST, make_image, make_plane, push
from patience import eventually

from sandbox.aws.runtime.docker import DockerRuntime
from sandbox.aws.runtime.docker.cleanup import remove_everything, stop_tasks
from sandbox.aws.runtime.docker.forwarder import Forwarder
from sandbox.aws.runtime.docker.holder import IMAGE, ensure_image
from sandbox.aws.runtime.docker.images import RegistryAccess
from sandbox.aws.runtime.port import (
    ContainerObservation,
    ContainerSpec,
    ContainerState,
    HealthCheck,
    HealthStatus,
    ImagePullError,
    StartError,
    TaskSpec,
    Ulimit,
)

ARN = f"arn:aws:ecs:us-east-1:{ACCOUNT}:task/dev/{'d' * 32}"
SLEEP = "import signal; print('up', flush=True); signal.pause()"
SERVE = (
    "import http.server as h; h.HTTPServer(('', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[DockerRuntime]:
    yield (made := open_runtime(tmp_path))
    made.close()
    remove_everything(tmp_path / "docker", dict(os.environ))


def open_runtime(tmp_path: Path, **more: Any) -> DockerRuntime:
    require_engine().close()
    return make_runtime(tmp_path / "docker", make_plane(tmp_path / "ecr").images, **more)


def python(script: str, name: str = "app", **spec: Any) -> ContainerSpec:
    """Return a container that runs a script below init."""
    return ContainerSpec(
        **{
            "name": name,
            "image": python_image(),
            "command": (PYTHON, "-c", script),
            "init_process": True,
            **spec,
        }
    )


def start(runtime: DockerRuntime, *containers: ContainerSpec, **task: Any) -> None:
    runtime.create_task(
        TaskSpec(task_arn=ARN, cluster="dev", family="web", containers=containers, **task)
    )
    for container in containers:
        runtime.start_container(ARN, container.name)


def observed(runtime: DockerRuntime, name: str = "app") -> ContainerObservation:
    (task,) = runtime.observe()
    return next(c for c in task.containers if c.name == name)


def ended(runtime: DockerRuntime, name: str = "app") -> ContainerObservation:
    eventually(lambda: observed(runtime, name).state is ContainerState.STOPPED)
    return observed(runtime, name)


def messages(runtime: DockerRuntime, name: str = "app") -> list[str]:
    return [line.message for line in runtime.read_log(ARN, name, 0).lines]


def report(runtime: DockerRuntime) -> Any:
    """Return what a container printed as JSON before it ended."""
    seen = ended(runtime)
    text = messages(runtime)
    assert seen.exit_code == 0, text
    return json.loads(text[-1])


def test_containers_of_a_task_reach_each_other_by_localhost_whoever_ends(
    runtime: DockerRuntime,
) -> None:
    fetch = "import urllib.request as u; print(u.urlopen('http://localhost:8080').status)"
    retry = f"import time\nwhile 1:\n try:\n  {fetch}; break\n except OSError: time.sleep(0.1)"
    start(runtime, python("pass", "first"), python(SERVE, "web"), python(retry, "client"))
    assert ended(runtime, "first").exit_code == 0
    assert ended(runtime, "client").exit_code == 0
    assert messages(runtime, "client") == ["200"]


@pytest.mark.parametrize("limited", ["task", "container"])
def test_container_over_its_memory_ends_as_on_aws(runtime: DockerRuntime, limited: str) -> None:
    sizes = {"task": (0, 32), "container": (32, 512)}[limited]
    greedy = python("x = bytearray(200 << 20)", memory_mib=sizes[0], init_process=False)
    start(runtime, greedy, memory_mib=sizes[1])
    seen = ended(runtime)
    assert seen.exit_code == 137
    assert seen.reason == "OutOfMemoryError: Container killed due to memory usage"


def test_container_gets_what_its_definition_says(runtime: DockerRuntime) -> None:
    script = """
import json, os, pathlib, resource
try:
    pathlib.Path("/file").write_text("x"); wrote = True
except OSError:
    wrote = False
facts = [os.getuid(), os.getcwd(), os.environ["NAME"], wrote, os.getpid()]
print(json.dumps([*facts, resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""
    start(
        runtime,
        python(
            script,
            entry_point=(PYTHON,),
            command=("-c", script),
            environment={"NAME": "a=b c"},
            user="1234",
            working_directory="/usr/local",
            read_only_root=True,
            init_process=False,
            ulimits=(Ulimit(name="nofile", soft_limit=512, hard_limit=1024),),
        ),
    )
    assert report(runtime) == [1234, "/usr/local", "a=b c", False, 1, [512, 1024]]


def test_init_process_stands_above_the_program(runtime: DockerRuntime) -> None:
    start(runtime, python("import os; print(os.getpid() > 1 and 'true')"))
    assert report(runtime) is True


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        (("CMD", PYTHON, "-c", "pass"), HealthStatus.HEALTHY),
        (("CMD", PYTHON, "-c", "raise SystemExit(1)"), HealthStatus.UNHEALTHY),
    ],
    ids=["passes", "fails"],
)
def test_health_check_decides(
    runtime: DockerRuntime, check: tuple[str, ...], verdict: HealthStatus
) -> None:
    probe = HealthCheck(command=check, interval_s=0.2, timeout_s=20, retries=1)
    start(runtime, python(SLEEP, health_check=probe))
    assert observed(runtime).health is HealthStatus.UNKNOWN
    eventually(lambda: observed(runtime).health is verdict)
    assert observed(runtime).state is ContainerState.RUNNING


LINES = 3000
CHATTER = f"""
import sys
for n in range({LINES}):
    print(n, file=(sys.stdout, sys.stderr)[n % 2], flush=True)
"""


def test_no_line_is_lost_or_repeated_across_restarts(
    runtime: DockerRuntime, tmp_path: Path
) -> None:
    start(runtime, python(CHATTER))
    seen: list[str] = []
    offset = 0
    readers = [runtime, open_runtime(tmp_path), open_runtime(tmp_path)]
    while len(seen) < LINES:
        reader = readers[len(seen) % len(readers)]
        has_ended = observed(reader).state is ContainerState.STOPPED
        page = reader.read_log(ARN, "app", offset)
        seen += [line.message for line in page.lines]
        offset = page.next_offset
        assert page.lines or not has_ended, f"{len(seen)} lines only"
    assert sorted(map(int, seen)) == list(range(LINES))
    for reader in readers[1:]:
        reader.close()


def test_line_that_a_crash_cut_short_is_made_whole(runtime: DockerRuntime, tmp_path: Path) -> None:
    start(runtime, python("print('first'); print('second')"))
    ended(runtime)
    assert messages(runtime) == ["first", "second"]
    (file,) = (tmp_path / "docker" / "logs").iterdir()
    file.write_bytes(file.read_bytes()[:-4])
    again = open_runtime(tmp_path)
    assert messages(again) == ["first", "second"]
    again.close()


def test_long_lines_come_in_pieces_of_16_kib(runtime: DockerRuntime) -> None:
    start(runtime, python("print('x' * 20000)"))
    ended(runtime)
    assert [len(m) for m in messages(runtime)] == [16384, 20000 - 16384]


def test_two_sandboxes_on_one_engine_do_not_see_each_other(
    runtime: DockerRuntime, tmp_path: Path
) -> None:
    start(runtime, python(SLEEP))
    other = open_runtime(tmp_path / "other")
    try:
        assert other.observe() == ()
        other.remove_task(ARN)
        start(other, python(SLEEP))
        assert other.observe()[0].address != runtime.observe()[0].address
    finally:
        other.close()
        remove_everything(tmp_path / "other" / "docker", dict(os.environ))
    assert observed(runtime).state is ContainerState.RUNNING


def test_stopped_sandbox_keeps_how_its_containers_ended(
    runtime: DockerRuntime, tmp_path: Path
) -> None:
    start(runtime, python(SLEEP))
    stop_tasks(tmp_path / "docker", dict(os.environ))
    assert observed(runtime).state is ContainerState.STOPPED
    assert observed(runtime).exit_code == 128 + 15


def test_purge_leaves_neither_container_nor_network(runtime: DockerRuntime, tmp_path: Path) -> None:
    start(runtime, python(SLEEP))
    remove_everything(tmp_path / "docker", dict(os.environ))
    client = require_engine()
    own = {"label": [f"sandbox.home={tmp_path / 'docker'}"]}
    assert (client.containers(all=True, filters=own), client.networks(filters=own)) == ([], [])
    client.close()


@pytest.mark.parametrize("lost", ["network", "c-app"])
def test_task_that_lost_a_part_is_gone_and_swept_at_the_next_start(
    runtime: DockerRuntime, tmp_path: Path, lost: str
) -> None:
    start(runtime, python(SLEEP))
    client = require_engine()
    own = {"label": [f"sandbox.home={tmp_path / 'docker'}"]}
    names = [row["Names"][0] for row in client.containers(filters=own)]
    client.remove_container(next(n for n in names if n.endswith(lost)), force=True)
    assert runtime.observe() == ()
    open_runtime(tmp_path).close()
    assert client.containers(all=True, filters=own) == []
    client.close()


def test_ports_are_published_where_containers_cannot_be_reached(tmp_path: Path) -> None:
    runtime = open_runtime(tmp_path, reaches_containers=False)
    try:
        start(runtime, python(SERVE, container_ports=(8080,)))
        (task,) = runtime.observe()
        assert task.address == "127.0.0.1"
        assert task.ports[8080] != 8080
        eventually(lambda: _connects(task.address, task.ports[8080]))
    finally:
        runtime.close()
        remove_everything(tmp_path / "docker", dict(os.environ))


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def test_ended_container_is_not_started_again(runtime: DockerRuntime) -> None:
    start(runtime, python("pass"))
    first = ended(runtime)
    runtime.start_container(ARN, "app")
    assert observed(runtime) == first


def test_limit_that_the_engine_refuses_is_a_start_error_in_its_words(
    runtime: DockerRuntime,
) -> None:
    impossible = Ulimit(name="nosuch", soft_limit=1, hard_limit=1)
    with pytest.raises(StartError, match=r"Error response from daemon: .*RLIMIT_NOSUCH"):
        start(runtime, python(SLEEP, ulimits=(impossible,)))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[EcrServer]:
    require_engine().close()
    server = serve(tmp_path / "registry")
    yield server
    server.stop()


@pytest.fixture
def pulling(registry: EcrServer, tmp_path: Path) -> Iterator[DockerRuntime]:
    access = RegistryAccess(
        host=registry.host, account_id=ACCOUNT, password=registry.plane.password
    )
    made = make_runtime(tmp_path / "docker", registry.plane.images, registry=access)
    yield made
    made.close()
    remove_everything(tmp_path / "docker", dict(os.environ))


def push_tiny(registry: EcrServer) -> str:
    """Push the image of network holders as `app:v1`; return its digest."""
    ecr = registry.client()
    ecr.create_repository(repositoryName="app")
    client = require_engine()
    name = f"{registry.host}/app"
    try:
        ensure_image(client)
        client.tag(IMAGE, name, "v1")
        login = {"username": "AWS", "password": registry.plane.password()}
        events = list(client.push(name, tag="v1", auth_config=login, stream=True, decode=True))
        assert not [e for e in events if "error" in e], events
        client.remove_image(f"{name}:v1")
    finally:
        client.close()
    described = ecr.describe_images(repositoryName="app")["imageDetails"]
    return str(described[0]["imageDigest"])


def test_own_image_is_pulled_by_digest_in_every_spelling(
    pulling: DockerRuntime, registry: EcrServer
) -> None:
    digest = push_tiny(registry)
    for name in (f"{HOST}/app:v1", f"{registry.host}/{HOST}/app:v1", f"{HOST}/app@{digest}"):
        assert pulling.pull(name, "") == digest
        assert pulling.pull(name, digest) == digest
    spec = ContainerSpec(name="app", image=f"{HOST}/app:v1", image_digest=digest)
    start(pulling, spec)
    assert observed(pulling).state is ContainerState.RUNNING
    assert observed(pulling).image_digest == digest


def test_image_that_is_not_there_is_refused_in_the_words_of_aws(pulling: DockerRuntime) -> None:
    with pytest.raises(ImagePullError, match=r"failed to resolve ref .*nope:v1: not found"):
        pulling.pull(f"{HOST}/nope:v1", "")
    absent = "127.0.0.1:9/absent"  # nothing listens there
    expected = rf"^CannotPullContainerError: .* failed to resolve ref {absent}:latest: "
    with pytest.raises(ImagePullError, match=expected):
        pulling.pull(absent, "")


def test_image_that_was_deleted_since_its_pull_fails_the_task(
    pulling: DockerRuntime, registry: EcrServer
) -> None:
    digest = push_tiny(registry)
    spec = ContainerSpec(name="app", image=f"{HOST}/app:v1", image_digest=digest)
    registry.client().delete_repository(repositoryName="app", force=True)
    with pytest.raises(StartError, match=r"^CannotPullContainerError: .* not found"):
        start(pulling, spec)


def test_image_of_another_registry_is_used_as_it_is_here(runtime: DockerRuntime) -> None:
    digest = runtime.pull(python_image(), "")
    assert digest.startswith("sha256:")
    assert runtime.pull(python_image(), digest) == digest


def test_image_of_the_process_runtime_is_refused_with_the_way_out(
    pulling: DockerRuntime, registry: EcrServer, tmp_path: Path
) -> None:
    image = push(registry.plane, "app", make_image(tmp_path / "image"))
    with pytest.raises(ImagePullError, match="SANDBOX_ENGINE=process"):
        pulling.pull(image, "")


class _Loopback(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from the loopback")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def loopback() -> Iterator[int]:
    """A server that listens on 127.0.0.1 only."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Loopback)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_tasks_reach_the_gateway_on_this_hosts_loopback(
    runtime: DockerRuntime, loopback: int
) -> None:
    forwarder = runtime.forwarder(loopback)
    if forwarder is not None:
        forwarder.start()
    url = runtime.endpoint(loopback)
    start(runtime, python(f"import urllib.request as u; print(u.urlopen('{url}').read().decode())"))
    assert ended(runtime).exit_code == 0, messages(runtime)
    assert messages(runtime) == ["hello from the loopback"]
    if forwarder is not None:
        forwarder.stop()


def test_forwarder_serves_the_tasks_network_only(loopback: int) -> None:
    from ipaddress import IPv4Network

    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        listen = probe.getsockname()
    foreign = Forwarder(
        listen=listen, target=("127.0.0.1", loopback), allowed=IPv4Network("172.30.0.0/16")
    )
    foreign.start()
    try:
        with socket.create_connection(listen, timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert _received(connection) == b""
    finally:
        foreign.stop()


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1000)
    except ConnectionResetError:
        return b""
