"""The environment switch: target → the variables that every tool reads; pure.

`local` points the tools here, `aws` points them nowhere: real endpoints are what the tools
use when no variable says otherwise. The words `dev` and `prod` belong to the workshop's
delivery, never to the switch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.settings import Settings


class Target(StrEnum):
    """Where the tools are pointed."""

    LOCAL = "local"
    AWS = "aws"


REDIRECTIONS = (
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CA_BUNDLE",
    "AWS_EC2_METADATA_DISABLED",
    "HARNESS_ENDPOINT",
    "HARNESS_ACCOUNT_ID",
    "HARNESS_PLATFORM_API_KEY",
)
"""Variables that can point a tool at, or away from, the sandbox."""

_ENDPOINTS = ("AWS_ENDPOINT_URL", "HARNESS_ENDPOINT")
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One target's variables: what to set, and what must not be inherited."""

    set: Mapping[str, str]
    unset: tuple[str, ...]

    def apply(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return `base` as a process under this target must see it."""
        kept = {name: value for name, value in base.items() if name not in self.unset}
        return {**kept, **self.set}


def aws_variables(settings: Settings) -> dict[str, str]:
    """Return what AWS clients need to reach the local AWS, and nothing else."""
    return {
        "AWS_ENDPOINT_URL": settings.aws_url,
        # Any key is accepted; these are no common words, because secrets are masked in logs.
        "AWS_ACCESS_KEY_ID": "LOCALSANDBOXKEY00000",
        "AWS_SECRET_ACCESS_KEY": "local-sandbox-secret-key",
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def harness_variables(settings: Settings) -> dict[str, str]:
    """Return what Harness's Terraform provider, SDKs and command line read."""
    return {
        "HARNESS_ENDPOINT": f"{settings.harness_url}/gateway",
        "HARNESS_ACCOUNT_ID": settings.harness_account_id,
        "HARNESS_PLATFORM_API_KEY": settings.harness_api_key,
    }


def network_variables(settings: Settings) -> dict[str, str]:
    """Return what lets any process reach load balancers by their DNS names, over TLS.

    The bundle holds the host's own trust and the sandbox's CA, so other hosts still verify.
    """
    proxy = settings.proxy_url
    bundle = str((settings.ca_dir / "bundle.pem").resolve())
    no_proxy = "127.0.0.1,localhost,::1"
    return {
        "HTTP_PROXY": proxy,
        "HTTPS_PROXY": proxy,
        "http_proxy": proxy,
        "https_proxy": proxy,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "SSL_CERT_FILE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "NODE_EXTRA_CA_CERTS": bundle,
        "PIP_CERT": bundle,
        "GIT_SSL_CAINFO": bundle,
    }


def switch(
    target: Target,
    settings: Settings,
    *,
    current: Mapping[str, str] = _NOTHING,
    terraform_config: Path | None = None,
) -> Switch:
    """Return the variables of `target`.

    Args:
        target: where to point the tools.
        settings: ports and accounts of this sandbox.
        current: the environment that is switched; `aws` takes only ours out of it.
        terraform_config: a Terraform CLI configuration with an offline provider mirror.
    """
    if target is Target.AWS:
        return Switch(set={}, unset=_pointing_here(settings, current))
    variables = {
        **aws_variables(settings),
        **harness_variables(settings),
        **network_variables(settings),
    }
    if terraform_config is not None:
        variables["TF_CLI_CONFIG_FILE"] = str(terraform_config)
    unset = tuple(name for name in REDIRECTIONS if name not in variables)
    return Switch(set=variables, unset=unset)


def _pointing_here(settings: Settings, current: Mapping[str, str]) -> tuple[str, ...]:
    """Return what `local` has set in `current`; a person's own values are not touched."""
    local = switch(Target.LOCAL, settings).set
    ours = {name for name, value in local.items() if current.get(name) == value}
    if not _is_here(current.get("AWS_ENDPOINT_URL", "")):
        # The person's own region may be the same as ours.
        ours -= set(aws_variables(settings))
    ours |= {name for name in _ENDPOINTS if _is_here(current.get(name, ""))}
    if Path(current.get("TF_CLI_CONFIG_FILE", "")).parent == settings.home:
        ours.add("TF_CLI_CONFIG_FILE")
    return tuple(name for name in (*local, "TF_CLI_CONFIG_FILE") if name in ours)


def _is_here(url: str) -> bool:
    """Tell whether a URL names this machine, on whatever port an earlier sandbox had."""
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
