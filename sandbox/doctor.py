"""Checks what the sandbox needs of the machine and says how to mend each lack."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import DependencyError
from sandbox.settings import Settings
from sandbox.supervisor import port_holder
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
        lambda: _program("git", "--version", "Install git.", env),
        lambda: _program("node", "--version", "Install Node.js 18 or newer.", env),
        lambda: _program("npm", "--version", "Install npm (it comes with Node.js).", env),
        lambda: _program("curl", "--version", "Install curl; health gates use it.", env),
        _terraform,
        lambda: _providers(settings),
        _envoy,
        lambda: _caddy(env),
        lambda: _state_directory(settings),
        lambda: _disk(settings),
        lambda: _low_ports(settings),
        lambda: _loopback(settings),
    ]
    findings = [check() for check in checks]
    return findings + _ports(settings, running=running)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(check="Python", state="ok", detail=version)


def _program(name: str, flag: str, mend: str, env: Mapping[str, str]) -> Finding:
    path = shutil.which(name, path=env.get("PATH"))
    if path is None:
        return Finding(check=name, state="missing", detail="not on PATH", mend=mend)
    done = subprocess.run([path, flag], capture_output=True, text=True, check=False)
    first = (done.stdout or done.stderr).strip().splitlines()[:1]
    return Finding(check=name, state="ok", detail=first[0] if first else path)


def _terraform() -> Finding:
    try:
        path = find_terraform()
    except DependencyError as error:
        return Finding(check="Terraform", state="missing", detail=error.message, mend=error.hint)
    return Finding(check="Terraform", state="ok", detail=path)


def _providers(settings: Settings) -> Finding:
    mirror = find_provider_mirror(settings.tf_plugin_dir)
    if mirror is not None:
        return Finding(check="AWS provider", state="ok", detail=f"mirror {mirror}")
    return Finding(
        check="AWS provider",
        state="warning",
        detail="no local mirror; `terraform init` needs the network",
        mend="While online: terraform providers mirror DIR, then set SANDBOX_TF_PLUGIN_DIR=DIR.",
    )


def _envoy() -> Finding:
    from sandbox.aws.elbv2.bootstrap import envoy_binary

    try:
        return Finding(check="Envoy", state="ok", detail=str(envoy_binary()))
    except DependencyError as error:
        return Finding(check="Envoy", state="missing", detail=error.message, mend=error.hint)


def _caddy(env: Mapping[str, str]) -> Finding:
    beside = Path(sys.executable).parent / "caddy"
    found = str(beside) if beside.exists() else shutil.which("caddy", path=env.get("PATH"))
    if found:
        return Finding(check="Caddy", state="ok", detail=found)
    return Finding(check="Caddy", state="missing", detail="not installed", mend="make setup")


def _state_directory(settings: Settings) -> Finding:
    home = settings.home.resolve()
    existing = next(path for path in (home, *home.parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Finding(check="state directory", state="ok", detail=str(home))
    return Finding(
        check="state directory",
        state="missing",
        detail=f"{existing} is not a writable directory",
        mend="Set SANDBOX_HOME to a directory that you may write.",
    )


def _disk(settings: Settings) -> Finding:
    home = settings.home.resolve()
    existing = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(existing).free / _GIB
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
