"""What a build is asked to do, in the words of the drone plugins; the only reader of PLUGIN_*.

Source: drone-kaniko and drone-docker plugin settings; the mapping from BuildAndPushECR is
harness-core's PluginSettingUtils.
"""

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_List = Annotated[tuple[str, ...], NoDecode]


class BuildSettings(BaseSettings):
    """All of `PLUGIN_*` that a build without an engine can honour."""

    model_config = SettingsConfigDict(env_prefix="PLUGIN_", frozen=True, populate_by_name=True)

    registry: str = Field(description="<account>.dkr.ecr.<region>.amazonaws.com")
    repo: str = Field(description="Name of the repository.")
    tags: _List = Field(("latest",), description="Comma-separated tags.")
    dockerfile: Path | None = Field(None, description="Default: Dockerfile in the context.")
    context: Path = Field(Path(), description="The app folder.")
    build_args: _List = Field((), description="Comma-separated NAME=VALUE.")
    custom_labels: _List = Field((), description="Comma-separated NAME=VALUE.")
    target: str = Field("", description="The stage to build; default the last.")
    artifact_file: Path | None = Field(None, description="Where the result is written, JSON.")
    access_key: str = Field("", description="AWS access key; default boto3's own chain.")
    secret_key: SecretStr = Field(SecretStr(""), description="AWS secret key.")
    assume_role: str = Field("", description="Role to assume before the push.")
    external_id: str = Field("", description="External id of that role.")
    aws_endpoint: str = Field(
        "",
        validation_alias=AliasChoices("AWS_ENDPOINT_URL"),
        description="The local AWS endpoint; empty for AWS itself.",
    )

    @field_validator("tags", "build_args", "custom_labels", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("context", mode="before")
    @classmethod
    def _without_scheme(cls, value: object) -> object:
        return value.removeprefix("dir://") if isinstance(value, str) else value


def named(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read `NAME=VALUE` pairs."""
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
