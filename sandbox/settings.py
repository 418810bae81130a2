"""Settings of the sandbox; the only reader of `SANDBOX_*` and of the host's environment."""

import os
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All of `SANDBOX_*`. Each process builds one in its `main` and passes it down."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", frozen=True)

    home: Path = Field(
        Path(".sandbox"), description="State directory; everything written lives here."
    )
    bind: str = Field("127.0.0.1", description="Address that the servers bind.")
    aws_port: int = Field(4566, description="Port of the local AWS endpoint.")
    harness_port: int = Field(7457, description="Port of the Harness API and console.")
    git_port: int = Field(3000, description="Port of the local Git server.")
    proxy_port: int = Field(
        4567, description="Port of the forward proxy that resolves load balancer names."
    )
    account_id: str = Field("000000000000", description="The AWS account id.")
    region: str = Field("us-east-1", description="The default AWS region.")
    time_scale: float = Field(
        1.0,
        gt=0,
        description="Health-check intervals, draining delays, Wait steps and retry "
        "intervals divide by this; time stamps stay real.",
    )
    engine: str = Field("process", description="Container runtime: process | fake.")
    alb_network: str = Field("127.20.0.0/16", description="Loopback range for load balancers.")
    task_network: str = Field("127.10.0.0/16", description="Loopback range for tasks.")
    tf_plugin_dir: Path | None = Field(
        None, description="Terraform provider mirror (holds registry.terraform.io)."
    )
    harness_account_id: str = Field("sandbox_account", description="Harness account.")
    harness_api_key: str = Field(
        "pat.sandbox_account.local.sandbox", description="The local Harness API key."
    )
    delegate_name: str = Field("local", description="Name of the first delegate.")
    delegate_tags: str = Field("", description="Comma-separated tags of the delegate.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        """Processes of the sandbox run in other folders; all mean the same directory."""
        return home.expanduser().resolve()

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
        """JSON map of load balancer DNS names to listening addresses (see proxy.py)."""
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
        """The AWS endpoint."""
        return f"http://127.0.0.1:{self.aws_port}"

    @property
    def harness_url(self) -> str:
        """The Harness endpoint, without `/gateway`."""
        return f"http://127.0.0.1:{self.harness_port}"

    @property
    def git_url(self) -> str:
        """The Git server."""
        return f"http://127.0.0.1:{self.git_port}"


def host_environment() -> dict[str, str]:
    """Return the environment of this process, for handing on to others."""
    return dict(os.environ)
