"""Checks what the sandbox needs of the machine and says how to mend each lack."""

import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.aws.localstack.health import require_localstack
from sandbox.errors import DependencyError, UsageError
from sandbox.listening import port_holder
from sandbox.settings import Settings, unknown_variables
from sandbox.terraform import find_provider_mirror, find_terraform

_GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's answer. `state`: ok | warning | missing."""

    check: str
    state: str
    detail: str
    mend: str = ""


def examine(settings: Settings, env: Mapping[str, str], *, running: bool) -> list[Finding]:
    """Run every check; `running` tells that the ports are held by the sandbox itself."""
    checks: list[Callable[[], Finding]] = [
        _python,
        lambda: program("git", "Install git.", env),
        lambda: program("node", "Install Node.js 18 or newer.", env, at_least=(18,)),
        lambda: program("npm", "Install npm (it comes with Node.js).", env),
        lambda: program("curl", "Install curl; health gates use it.", env),
        lambda: _terraform(env),
        lambda: _providers(settings),
        lambda: _envoy(settings),
        lambda: _caddy(env),
        lambda: _container_engine(settings, env),
        *([lambda: _localstack(settings)] if settings.aws != "local" else []),
        lambda: _state_directory(settings),
        lambda: _disk(settings),
        lambda: _low_ports(settings),
        lambda: _loopback(settings),
        lambda: _variables(env),
    ]
    findings = [check() for check in checks]
    return findings + _ports(settings, running=running)


def program(
    name: str, mend: str, env: Mapping[str, str], *, at_least: tuple[int, ...] = ()
) -> Finding:
    """Look for a program on PATH, and at its version where one is needed."""
    path = shutil.which(name, path=env.get("PATH"))
    if path is None:
        return Finding(check=name, state="missing", detail="not on PATH", mend=mend)
    return _version(name, path, mend, at_least)


def _version(check: str, path: str, mend: str, at_least: tuple[int, ...]) -> Finding:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    first = ((done.stdout or done.stderr).strip().splitlines() or [path])[0]
    found = re.search(r"\d+(\.\d+)*", first)
    version = tuple(map(int, found.group().split("."))) if found else ()
    if version < at_least:
        return Finding(check=check, state="missing", detail=f"{first} is too old", mend=mend)
    shown = found.group() if found else first
    return Finding(check=check, state="ok", detail=f"{shown} ({path})")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(check="Python", state="ok", detail=f"{version} ({sys.executable})")


def _terraform(env: Mapping[str, str]) -> Finding:
    try:
        path = find_terraform(env.get("PATH"))
    except DependencyError as error:
        return Finding(check="Terraform", state="missing", detail=error.message, mend=error.hint)
    oldest = (1, 10) if Path(path).name == "terraform" else (1, 8)
    mend = "Install Terraform 1.10 or OpenTofu 1.8, or newer: locking in S3 needs it."
    return _version("Terraform", path, mend, oldest)


def _providers(settings: Settings) -> Finding:
    try:
        mirror = find_provider_mirror(settings.tf_plugin_dir)
    except UsageError as error:
        return Finding(check="AWS provider", state="missing", detail=error.message, mend=error.hint)
    if mirror is not None:
        return Finding(check="AWS provider", state="ok", detail=f"mirror {mirror}")
    return Finding(
        check="AWS provider",
        state="warning",
        detail="no local mirror; `terraform init` needs the network",
        mend="While online: terraform providers mirror DIR, then set SANDBOX_TF_PLUGIN_DIR=DIR.",
    )


def _envoy(settings: Settings) -> Finding:
    from sandbox.aws.elbv2.bootstrap import envoy_binary

    try:
        return Finding(check="Envoy", state="ok", detail=str(envoy_binary(settings.envoy)))
    except DependencyError as error:
        return Finding(check="Envoy", state="missing", detail=error.message, mend=error.hint)


def _caddy(env: Mapping[str, str]) -> Finding:
    beside = Path(sys.executable).parent / "caddy"
    found = str(beside) if beside.exists() else shutil.which("caddy", path=env.get("PATH"))
    if found:
        return Finding(check="Caddy", state="ok", detail=found)
    return Finding(check="Caddy", state="missing", detail="not installed", mend="make setup")


def _container_engine(settings: Settings, env: Mapping[str, str]) -> Finding:
    from sandbox.aws.engines import describe_engine

    detail, usable = describe_engine(settings, env)
    if usable:
        return Finding(check="container engine", state="ok", detail=detail)
    mend = "Start Docker, or choose the other runtime: sandbox up --engine process."
    return Finding(check="container engine", state="missing", detail=detail, mend=mend)


def _localstack(settings: Settings) -> Finding:
    alone = settings.aws == "localstack-only"
    try:
        it = require_localstack(settings.localstack_url, alone=alone)
    except DependencyError as error:
        return Finding(check="LocalStack", state="missing", detail=error.message, mend=error.hint)
    detail = f"{it.version} ({it.edition}) at {settings.localstack_url}"
    return Finding(check="LocalStack", state="ok", detail=detail)


def _state_directory(settings: Settings) -> Finding:
    existing = _existing(settings.home)
    try:
        with tempfile.TemporaryFile(dir=existing):
            return Finding(check="state directory", state="ok", detail=str(settings.home))
    except OSError:
        pass
    return Finding(
        check="state directory",
        state="missing",
        detail=f"{existing} is not a writable directory",
        mend="Set SANDBOX_HOME to a directory that you may write.",
    )


def _existing(home: Path) -> Path:
    return next(path for path in (home, *home.parents) if path.exists())


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(_existing(settings.home)).free / _GIB
    if free >= 3:
        return Finding(check="disk", state="ok", detail=f"{free:.0f} GiB free")
    mend = "Free some space; images, node_modules and caches take about 2 GiB."
    return Finding(check="disk", state="warning", detail=f"{free:.1f} GiB free", mend=mend)


def _low_ports(settings: Settings) -> Finding:
    address = settings.alb_network.rpartition(".")[0] + ".254"
    with socket.socket() as probe:
        try:
            probe.bind((address, 80))
        except PermissionError:
            return Finding(
                check="ports 80 and 443",
                state="warning",
                detail="not permitted; load balancers get mapped ports",
                mend="sudo sysctl net.ipv4.ip_unprivileged_port_start=80 for the real ports.",
            )
        except OSError as error:
            detail = f"{address}:80: {error.strerror}"
            return Finding(check="ports 80 and 443", state="warning", detail=detail)
    return Finding(check="ports 80 and 443", state="ok", detail="may be bound")


def _loopback(settings: Settings) -> Finding:
    address = settings.task_network.rpartition(".")[0] + ".254"
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return Finding(
                check="loopback range",
                state="warning",
                detail=f"{address} cannot be bound; tasks share 127.0.0.1 on distinct ports",
            )
    return Finding(check="loopback range", state="ok", detail="127.0.0.0/8")


def _variables(env: Mapping[str, str]) -> Finding:
    unknown = ", ".join(unknown_variables(env))
    if not unknown:
        return Finding(check="settings", state="ok", detail="every SANDBOX_ variable is known")
    mend = "`sandbox config` lists the settings; a misspelt one has no effect."
    return Finding(check="settings", state="warning", detail=f"unknown: {unknown}", mend=mend)


def _ports(settings: Settings, *, running: bool) -> list[Finding]:
    wanted = {
        "AWS": settings.aws_port,
        "HARNESS": settings.harness_port,
        "GIT": settings.git_port,
        "PROXY": settings.proxy_port,
    }
    rows = []
    for name, port in wanted.items():
        holder = port_holder(port)
        check = f"port {port}"
        if not holder or running:
            detail = f"held by the sandbox: {holder}" if holder else "free"
            rows.append(Finding(check=check, state="ok", detail=detail))
        else:
            mend = f"Stop it, or set SANDBOX_{name}_PORT."
            detail = f"taken by {holder}"
            rows.append(Finding(check=check, state="missing", detail=detail, mend=mend))
    return rows
