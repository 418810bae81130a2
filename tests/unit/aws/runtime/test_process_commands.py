from pathlib import Path

import pytest

from sandbox.aws.runtime.port import ContainerSpec, HealthCheck, StartError
from sandbox.aws.runtime.process.addresses import Endpoint
from sandbox.aws.runtime.process.commands import Host, Launch, plan_launch, to_task_address
from sandbox.aws.runtime.process.images import ImageConfig

ENDPOINT = Endpoint(address="127.10.0.7", ports={80: 20080, 5000: 5000})
HOST = Host(caddy="/opt/caddy", python_path="/site")


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    root = tmp_path / "rootfs"
    (root / "opt/venv/bin").mkdir(parents=True)
    (root / "app").mkdir()
    (root / "app/main.py").touch()
    return root


def launch(rootfs: Path, spec: ContainerSpec, **image: object) -> Launch:
    defaults: dict[str, object] = {
        "entry_point": ("serve",),
        "command": ("--all",),
        "working_directory": "/app",
        "labels": {"sandbox.buildpack": "python", "sandbox.venv": "/opt/venv"},
    }
    config = ImageConfig(digest="sha256:1", rootfs=rootfs, **{**defaults, **image})  # type: ignore[arg-type]
    return plan_launch(spec, config, ENDPOINT, folder=Path("/box"), host=HOST)


@pytest.mark.parametrize(
    ("entry_point", "command", "argv"),
    [
        ((), (), ("serve", "--all")),
        ((), ("--one",), ("serve", "--one")),
        (("python",), (), ("python",)),
        (("python",), ("x.py",), ("python", "x.py")),
    ],
)
def test_task_definition_overrides_the_images_words(
    rootfs: Path, entry_point: tuple[str, ...], command: tuple[str, ...], argv: tuple[str, ...]
) -> None:
    spec = ContainerSpec(name="web", image="i", entry_point=entry_point, command=command)
    assert launch(rootfs, spec).argv == argv


def test_no_command_at_all_cannot_start(rootfs: Path) -> None:
    spec = ContainerSpec(name="web", image="i")
    with pytest.raises(StartError, match="no command specified"):
        launch(rootfs, spec, entry_point=(), command=())


def test_paths_of_the_image_become_paths_of_the_host(rootfs: Path) -> None:
    spec = ContainerSpec(
        name="web",
        image="i",
        command=("/app/main.py", "/usr/bin/env", "/"),
        environment={"CONFIG": "/app/main.py", "OTHER": "/nowhere", "ROOT": "/"},
        working_directory="/opt",
    )
    made = launch(rootfs, spec)
    assert made.argv == ("serve", f"{rootfs}/app/main.py", "/usr/bin/env", "/")
    assert made.cwd == f"{rootfs}/opt"
    env = {k: made.env[k] for k in ("CONFIG", "OTHER", "ROOT")}
    assert env == {"CONFIG": f"{rootfs}/app/main.py", "OTHER": "/nowhere", "ROOT": "/"}


def test_paths_in_a_shells_text_are_mapped_too(rootfs: Path) -> None:
    text = "exec python /app/main.py --url http://x/app /usr/bin/env >/dev/null"
    spec = ContainerSpec(name="web", image="i", entry_point=("/bin/sh", "-c", text))
    mapped = f"exec python {rootfs}/app/main.py --url http://x/app /usr/bin/env >/dev/null"
    assert launch(rootfs, spec).argv == ("/bin/sh", "-c", mapped)


def test_environment_is_the_images_then_the_tasks_and_nothing_of_the_host(
    rootfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_ONLY", "x")
    spec = ContainerSpec(name="web", image="i", environment={"A": "task", "PYTHONPATH": "/app"})
    env = launch(rootfs, spec, environment={"A": "image", "B": "image"}).env
    assert (env["A"], env["B"]) == ("task", "image")
    assert env["PATH"].split(":")[0] == f"{rootfs}/opt/venv/bin"
    assert env["PYTHONPATH"] == f"/site:{rootfs}/app"
    assert env["SANDBOX_TASK_PORTS"] == "80:20080,5000:5000"
    assert env["HOME"] == "/box/home"
    assert "HOST_ONLY" not in env


@pytest.mark.parametrize(
    ("text", "mapped"),
    [
        ("http://localhost:5000/x", "http://127.10.0.7:5000/x"),
        ("http://127.0.0.1/", "http://127.10.0.7:20080/"),
        ("nc -z 127.0.0.1:80", "nc -z 127.10.0.7:20080"),
        ("https://localhost/", "https://localhost/"),
        ("http://localhost:9999", "http://localhost:9999"),
        ("localhost", "localhost"),
        ("http://mylocalhost:5000", "http://mylocalhost:5000"),
        ("http://127.0.0.10:5000", "http://127.0.0.10:5000"),
    ],
)
def test_own_address_is_the_tasks_where_its_port_follows(text: str, mapped: str) -> None:
    assert to_task_address(text, ENDPOINT) == mapped


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (("CMD", "curl", "http://localhost:5000"), ("curl", "http://127.10.0.7:5000")),
        (
            ("CMD-SHELL", "curl localhost:5000 || exit 1"),
            ("/bin/sh", "-c", "curl 127.10.0.7:5000 || exit 1"),
        ),
    ],
)
def test_health_check_is_ready_to_run(
    rootfs: Path, command: tuple[str, ...], argv: tuple[str, ...]
) -> None:
    check = HealthCheck(command=command, interval_s=2, retries=4)
    health = launch(rootfs, ContainerSpec(name="web", image="i", health_check=check)).health
    assert health is not None
    assert (health.argv, health.interval_s, health.retries) == (argv, 2, 4)


def test_static_site_is_served_by_caddy_at_the_tasks_address(rootfs: Path) -> None:
    labels = {"sandbox.buildpack": "static", "sandbox.static.root": "/site"}
    made = launch(rootfs, ContainerSpec(name="web", image="i"), labels=labels, exposed_ports=(80,))
    assert made.argv[:2] == ("/opt/caddy", "run")
    (text,) = made.files.values()
    assert "http://:20080 {" in text
    assert "bind 127.10.0.7" in text
    assert f"root * `{rootfs}/site`" in text


def test_other_programs_in_a_static_image_need_an_engine(rootfs: Path) -> None:
    labels = {"sandbox.buildpack": "static", "sandbox.static.root": "/site"}
    spec = ContainerSpec(name="web", image="i", command=("sh", "-c", "x"))
    with pytest.raises(StartError, match="needs a container engine"):
        launch(rootfs, spec, labels=labels)
