"""Which processes make the sandbox and what each gets; nothing is started here."""

import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.aws.elbv2.bootstrap import admin_socket, envoy_command
from sandbox.environments import (
    DELEGATE_KEY_ID,
    REDIRECTIONS,
    Switch,
    Target,
    network_variables,
    switch,
)
from sandbox.settings import PREFIX, Settings
from sandbox.supervisor import ProcessSpec
from sandbox.terraform import write_cli_config

LOCAL_AWS = frozenset({"aws", "envoy", "proxy"})
"""Processes that only our own AWS needs."""


def local_switch(settings: Settings, host_env: Mapping[str, str]) -> Switch:
    """Return what points tools at this sandbox, Terraform's providers included.

    The person's own CLI configuration for Terraform is carried over, or stays in force.
    """
    own = Path(host_env.get("HOME", "/"), ".terraformrc")
    named = Path(host_env.get("TF_CLI_CONFIG_FILE") or own)
    if named.is_file() and named.parent != settings.home:
        own = named
    config = write_cli_config(settings.home, settings.tf_plugin_dir, own)
    return switch(Target.LOCAL, settings, current=host_env, terraform_config=config)


def process_specs(settings: Settings, host_env: Mapping[str, str]) -> tuple[ProcessSpec, ...]:
    """Return the processes that the settings want, in the order in which they are shown."""
    lacking = LOCAL_AWS if settings.aws == "localstack-only" else frozenset()
    return tuple(spec for spec in _every_spec(settings, host_env) if spec.name not in lacking)


def _every_spec(settings: Settings, host_env: Mapping[str, str]) -> tuple[ProcessSpec, ...]:
    own = sandbox_variables(settings)
    harness = harness_process_variables(settings)
    python = (sys.executable, "-W", "ignore", "-m", "sandbox.quickstart")
    local = local_switch(settings, host_env)
    # The person's own AWS profile, proxies and accounts are no business of these processes.
    # And they keep the bytecode of what they import: without it a start takes three times as long.
    foreign = (*REDIRECTIONS, *network_variables(settings), "PYTHONDONTWRITEBYTECODE")
    return (
        ProcessSpec(
            name="aws",
            command=(*python, "sandbox.aws.server"),
            # moto walks over sets here and there; a replayed journal must walk the same way.
            env={**own, "PYTHONHASHSEED": "0"},
            unset=foreign,
            ready_url=f"{settings.aws_url}/_sandbox/health",
            port=settings.aws_port,
        ),
        ProcessSpec(
            name="envoy",
            command=tuple(envoy_command(settings.envoy_dir, binary=settings.envoy)),
            ready_socket=admin_socket(settings.envoy_dir),
        ),
        ProcessSpec(
            name="proxy",
            # With the host's own proxies in force, through which it passes others on.
            command=(
                *(*python, "sandbox.proxy", "--names", str(settings.names_file)),
                *("--bind", settings.bind, "--port", str(settings.proxy_port)),
            ),
            port=settings.proxy_port,
        ),
        ProcessSpec(
            name="harness",
            command=(*python, "fake_harness.server"),
            env=harness,
            unset=foreign,
            ready_url=f"{settings.harness_url}/health",
            stop_timeout_s=1,  # a delegate's long poll would hold it; it has no state of its own
            port=settings.harness_port,
        ),
        ProcessSpec(
            name="engine",
            command=(*python, "fake_harness.engine_main"),
            env=harness,
            unset=foreign,
            ready_url=f"{settings.harness_url}/health",
            ready_text='"engine":"running"',
        ),
        ProcessSpec(
            name="delegate",
            command=(*python, "fake_harness.delegate_main"),
            env={
                **local.set,
                "AWS_ACCESS_KEY_ID": DELEGATE_KEY_ID,
                **delegate_variables(settings),
                "PATH": tool_path(host_env),
            },
            unset=local.unset,
            ready_url=f"{settings.harness_url}/health",
            ready_text=f'"{settings.delegate_name}"',
        ),
        ProcessSpec(
            name="git",
            command=(
                *(*python, "sandbox.scm", "--root", str(settings.git_dir)),
                *("--bind", settings.bind, "--port", str(settings.git_port)),
                *("--url", settings.git_url),
            ),
            unset=foreign,
            ready_url=f"{settings.git_url}/health",
            port=settings.git_port,
        ),
    )


def sandbox_variables(settings: Settings) -> dict[str, str]:
    """Return the settings as `SANDBOX_*`, so that every process has the same ones."""
    values = settings.model_dump(exclude_none=True)
    return {f"{PREFIX}{name.upper()}": str(value) for name, value in values.items()}


def harness_process_variables(settings: Settings) -> dict[str, str]:
    """Return what the Harness API and the engine read."""
    home = settings.harness_dir
    return {
        "FAKE_HARNESS_HOST": settings.bind,
        "FAKE_HARNESS_PORT": str(settings.harness_port),
        "FAKE_HARNESS_STATE_DIR": str(home),
        "FAKE_HARNESS_MASTER_KEY_FILE": str(home / "master.key"),
        "FAKE_HARNESS_ACCOUNT_ID": settings.harness_account_id,
        "FAKE_HARNESS_API_KEY": settings.harness_api_key,
        "FAKE_HARNESS_TIME_SCALE": str(settings.time_scale),
        "FAKE_HARNESS_PUBLIC_URL": settings.harness_url,
    }


def delegate_variables(settings: Settings) -> dict[str, str]:
    """Return what the delegate reads, in the names of Harness's own delegate image."""
    has_engine = settings.engine == "docker"
    builder = "sandbox.images.builder" if has_engine else "sandbox.aws.builder"
    return {
        "ACCOUNT_ID": settings.harness_account_id,
        "MANAGER_HOST_AND_PORT": settings.harness_url,
        "DELEGATE_NAME": settings.delegate_name,
        "DELEGATE_TAGS": settings.delegate_tags,
        "FAKE_HARNESS_DELEGATE_WORK_DIR": str(settings.home / "delegate"),
        "FAKE_HARNESS_TIME_SCALE": str(settings.time_scale),
        "FAKE_HARNESS_IMAGE_BUILDER": f"{sys.executable} -W ignore -m {builder}",
        "FAKE_HARNESS_CONTAINERS": "docker" if has_engine else "none",
        "SANDBOX_HOME": str(settings.home),
    }


def tool_path(host_env: Mapping[str, str]) -> str:
    """Return the PATH of pipeline steps: the host's tools, then the sandbox's own.

    The sandbox's come last, so that a step's `python3` is the host's, as on a build machine.
    """
    beside = Path(sys.executable).parent
    tools = beside.parent.parent / "tools"
    # checkov comes after: it brings a fork of detect-secrets under the same names.
    own = [tools / ".venv" / "bin", tools / "checkov" / ".venv" / "bin", beside]
    host = [
        entry
        for entry in host_env.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":")
        if entry and Path(entry) != beside
    ]
    return ":".join([*host, *map(str, own)])
