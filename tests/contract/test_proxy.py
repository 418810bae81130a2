"""The forward proxy as `requests` and raw sockets meet it; it runs as its own process."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from elbv2_server import Target, free_port
from elbv2_tls import self_signed
from patience import PATIENCE_S, eventually

COMMAND = (sys.executable, "-m", "sandbox.proxy")
NAME = "lab-1234567890.us-east-1.elb.amazonaws.com"


class ProxyProcess:
    """`python -m sandbox.proxy` with a home of its own."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.port = free_port()
        self.names_file = home / "names.json"
        clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
        self.process = subprocess.Popen(
            [*COMMAND, "--names", str(self.names_file), "--port", str(self.port)],
            env=clean | environment,
        )
        eventually(self._is_listening, "the proxy listens")

    def _is_listening(self) -> bool:
        assert self.process.poll() is None
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def publish(self, names: dict[str, object]) -> None:
        draft = self.names_file.with_suffix(".tmp")
        draft.write_text(json.dumps(names))
        draft.replace(self.names_file)

    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.proxies = {"http": self.url, "https": self.url}
        return session

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyProcess]:
    started = ProxyProcess(tmp_path_factory.mktemp("proxy"))
    yield started
    started.stop()


@pytest.fixture
def proxy(running: ProxyProcess) -> Iterator[ProxyProcess]:
    yield running
    running.names_file.unlink(missing_ok=True)


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target(name="one", address="127.0.0.9").start()
    yield made
    made.stop()


def test_a_load_balancer_name_goes_to_its_address_and_mapped_port(
    proxy: ProxyProcess, target: Target
) -> None:
    proxy.publish({NAME: {"address": target.address, "ports": {"80": target.port}}})
    with proxy.session() as session:
        answer = session.get(f"http://{NAME}/path?x=1&y=%20", headers={"X-Mine": "1"})
    seen = answer.json()
    assert seen["path"] == "/path?x=1&y=%20"
    assert seen["headers"]["host"] == NAME
    assert seen["headers"]["x-mine"] == "1"
    assert "proxy-connection" not in seen["headers"]


def test_names_are_read_again_when_their_file_changes(proxy: ProxyProcess, target: Target) -> None:
    with proxy.session() as session:
        assert session.get(f"http://{NAME}/").status_code == 502
        proxy.publish({NAME: {"address": target.address, "ports": {"80": target.port}}})
        assert session.get(f"http://{NAME.upper()}/").status_code == 200


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (f"http://other-{NAME}/", f"no load balancer of that name: other-{NAME}; known: {NAME}"),
        (f"http://{NAME}:81/", f"load balancer {NAME} has no listener on port 81; it has: 80"),
        (f"http://{NAME}/", "is Envoy running?"),
        ("http://127.0.0.1:1/", "no connection to 127.0.0.1:1"),
    ],
)
def test_what_cannot_be_reached_is_said_in_words(proxy: ProxyProcess, url: str, text: str) -> None:
    proxy.publish({NAME: {"address": "127.0.0.9", "ports": {"80": 1}}})
    with proxy.session() as session:
        answer = session.get(url)
    assert answer.status_code == 502
    assert text in answer.text


@pytest.mark.parametrize("name", ["s3.localhost.localstack.cloud", "a.localhost"])
def test_names_of_this_machine_need_no_name_server(proxy: ProxyProcess, name: str) -> None:
    here = Target(name="here", address="127.0.0.1").start()
    with proxy.session() as session:
        answer = session.get(f"http://{name}:{here.port}/")
    here.stop()
    assert answer.json()["headers"]["host"] == f"{name}:{here.port}"


def test_connect_to_an_unknown_name_is_refused(proxy: ProxyProcess) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(f"CONNECT {NAME}:443 HTTP/1.1\r\nHost: {NAME}:443\r\n\r\n".encode())
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"no load balancer of that name" in answer


def test_a_direct_request_is_told_what_this_is(proxy: ProxyProcess) -> None:
    answer = requests.get(f"{proxy.url}/path", timeout=5)
    assert answer.status_code == 400
    assert "forward proxy" in answer.text


def test_connections_are_kept_on_both_sides(proxy: ProxyProcess, target: Target) -> None:
    with proxy.session() as session:
        ports = set()
        for _ in range(20):
            answer = session.get(f"http://{target.address}:{target.port}/", stream=True)
            ports.add(answer.raw.connection.sock.getsockname()[1])
            assert answer.json()["path"] == "/"
    assert len(ports) == 1


def test_a_server_that_closed_its_idle_connection_is_asked_again(
    proxy: ProxyProcess, target: Target
) -> None:
    url = f"http://{target.address}:{target.port}/"
    with proxy.session() as session:
        assert session.get(url).status_code == 200
        target.stop()
        target.start()
        assert session.get(url).status_code == 200


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_bodies_pass_whole(
    proxy: ProxyProcess, target: Target, size: int, *, is_chunked: bool
) -> None:
    body = b"x" * size
    chunks = (body[i : i + 65536] for i in range(0, size, 65536))
    if is_chunked:
        return _chunked_echo(proxy, body, chunks)
    with proxy.session() as session:
        answer = session.post(f"http://{target.address}:{target.port}/", data=body)
    assert answer.json()["bytes"] == size
    return None


def _chunked_echo(proxy: ProxyProcess, body: bytes, chunks: Iterator[bytes]) -> None:
    """A server that answers with the raw chunked body it got."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=_echo_once, args=(server,), daemon=True)
        thread.start()
        with proxy.session() as session:
            answer = session.post(f"http://127.0.0.1:{port}/", data=chunks)
        thread.join(5)
    assert answer.content == body


def _echo_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as stream:
        while stream.readline() != b"\r\n":
            pass
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            line = stream.readline()
            rest = stream.read(int(line, 16) + 2)
            connection.sendall(line + rest)
            if line == b"0\r\n":
                return


def test_an_answer_without_length_ends_with_the_connection(proxy: ProxyProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"

        def answer_once() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nall of it")

        threading.Thread(target=answer_once, daemon=True).start()
        with proxy.session() as session:
            answer = session.get(url)
    assert answer.text == "all of it"
    assert answer.headers["connection"].strip() == "close"


def test_head_has_no_body_and_the_connection_goes_on(proxy: ProxyProcess) -> None:
    heads = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"

        def answer_twice() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(heads)
                connection.recv(65536)
                connection.sendall(heads + b"hello")

        threading.Thread(target=answer_twice, daemon=True).start()
        with proxy.session() as session:
            assert session.head(url).headers["content-length"].strip() == "5"
            assert session.get(url).text == "hello"


def test_connect_passes_tls_through(proxy: ProxyProcess, tmp_path: Path) -> None:
    key, certificate = self_signed(tmp_path, NAME)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    target = Target(name="tls", address="127.0.0.9").start()
    assert target.server is not None
    target.server.socket = context.wrap_socket(target.server.socket, server_side=True)
    proxy.publish({NAME: {"address": target.address, "ports": {"443": target.port}}})
    try:
        with proxy.session() as session:
            answer = session.get(f"https://{NAME}/secret", verify=str(certificate))
        assert answer.json()["path"] == "/secret"
    finally:
        target.stop()


def test_a_tunnel_passes_the_end_of_one_side_on(proxy: ProxyProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def count() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as stream:
                connection.sendall(b"got %d" % len(stream.read()))

        threading.Thread(target=count, daemon=True).start()
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
            stream = client.makefile("rb")
            assert b" 200 " in stream.readline()
            assert stream.readline() == b"\r\n"
            client.sendall(b"x" * 100_000)
            client.shutdown(socket.SHUT_WR)
            assert stream.read() == b"got 100000"


def test_the_machines_own_proxy_is_used_and_no_proxy_honoured(tmp_path: Path) -> None:
    outer_home, inner_home = tmp_path / "outer", tmp_path / "inner"
    outer_home.mkdir()
    inner_home.mkdir()
    outer = ProxyProcess(outer_home)
    # Only the outer proxy knows these names: who reaches them went through it.
    target = Target(name="far", address="127.0.0.9").start()
    entry = {"address": target.address, "ports": {"80": target.port, "443": target.port}}
    outer.publish({"far.example": entry, "near.example": entry})
    inner = ProxyProcess(
        inner_home,
        HTTP_PROXY=outer.url,
        HTTPS_PROXY=outer.url,
        NO_PROXY="localhost, near.example",
    )
    try:
        with inner.session() as session:
            assert session.get("http://far.example/").json()["target"] == "far"
            assert session.get("http://near.example/").status_code == 502
            direct = session.get(f"http://{target.address}:{target.port}/")
            assert direct.json()["target"] == "far"
        with socket.create_connection(("127.0.0.1", inner.port)) as client:
            client.sendall(b"CONNECT far.example:443 HTTP/1.1\r\n\r\n")
            assert b" 200 " in client.makefile("rb").readline()
    finally:
        inner.stop()
        outer.stop()
        target.stop()


def test_a_taken_port_is_named(proxy: ProxyProcess, tmp_path: Path) -> None:
    second = subprocess.run(
        [*COMMAND, "--names", str(tmp_path / "names.json"), "--port", str(proxy.port)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 3
    assert f"127.0.0.1:{proxy.port}" in second.stderr
    assert "SANDBOX_PROXY_PORT" in second.stderr
