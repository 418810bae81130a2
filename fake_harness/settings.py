"""Settings of the three Harness processes; the only reader of their environment."""

import os
import secrets
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All of `FAKE_HARNESS_*`."""

    model_config = SettingsConfigDict(env_prefix="FAKE_HARNESS_", frozen=True)

    host: str = Field("127.0.0.1", description="Address that the API binds.")
    port: int = Field(7457, description="Port of the API and the console.")
    state_dir: Path = Field(
        Path(".sandbox/harness"), description="Everything that is written lives here."
    )
    database_url: str = Field(
        "", description="SQLAlchemy URL; empty means SQLite in the state directory."
    )
    account_id: str = Field("sandbox_account", description="The Harness account.")
    api_key: SecretStr = Field(
        SecretStr("pat.sandbox_account.local.sandbox"),
        description="The personal access token that clients send as x-api-key.",
    )
    delegate_token: SecretStr = Field(
        SecretStr("00000000000000000000000000000000"),
        description="Token (32 hex digits) that delegates register with.",
    )
    master_key_file: Path = Field(
        Path(".sandbox/harness/master.key"),
        description="Key that encrypts secrets at rest; made on first start.",
    )
    time_scale: float = Field(
        1.0, gt=0, description="Wait steps and retry intervals divide by this."
    )
    public_url: str = Field(
        "http://127.0.0.1:7457", description="URL under which people reach the console."
    )

    @property
    def sqlalchemy_url(self) -> str:
        """The database that is really used."""
        return self.database_url or f"sqlite:///{self.state_dir / 'harness.db'}"


class DelegateSettings(BaseSettings):
    """A delegate's environment, in the names of Harness's own delegate image.

    Source: delegate install guide; helm chart `harness/delegate-helm-chart`.
    """

    model_config = SettingsConfigDict(frozen=True)

    account_id: str = Field("sandbox_account", validation_alias="ACCOUNT_ID")
    delegate_token: SecretStr = Field(
        SecretStr("00000000000000000000000000000000"),
        validation_alias="DELEGATE_TOKEN",
    )
    manager_url: str = Field("http://127.0.0.1:7457", validation_alias="MANAGER_HOST_AND_PORT")
    delegate_name: str = Field("local", validation_alias="DELEGATE_NAME")
    delegate_tags: str = Field("", validation_alias="DELEGATE_TAGS")
    delegate_type: str = Field("SHELL_SCRIPT", validation_alias="DELEGATE_TYPE")
    work_dir: Path = Field(
        Path(".sandbox/delegate"), validation_alias="FAKE_HARNESS_DELEGATE_WORK_DIR"
    )
    concurrency: int = Field(8, validation_alias="FAKE_HARNESS_DELEGATE_CONCURRENCY")
    image_builder: str = Field(
        "",
        validation_alias="FAKE_HARNESS_IMAGE_BUILDER",
        description="Command that builds and pushes as drone's kaniko plugin does "
        "(PLUGIN_* variables in, PLUGIN_ARTIFACT_FILE out).",
    )
    containers: Literal["docker", "none"] = Field(
        "none",
        validation_alias="FAKE_HARNESS_CONTAINERS",
        description="Where steps that name an image run: on the `docker` engine, or (`none`) "
        "on the delegate's host.",
    )
    time_scale: float = Field(1.0, gt=0, validation_alias="FAKE_HARNESS_TIME_SCALE")


def new_token() -> str:
    """Make a delegate token: 32 hex digits."""
    return secrets.token_hex(16)


def host_environment() -> dict[str, str]:
    """Return the environment of this process, for handing on to others."""
    return dict(os.environ)
