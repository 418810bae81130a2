"""The environment switch: target → the variables that every tool reads; pure.

`local` points the tools here, and so does `localstack`: there the gateway asks a LocalStack
for what that has. `aws` points them nowhere: real endpoints are what the tools use when no
variable says otherwise. The words `dev` and `prod` belong to the workshop's delivery, never
to the switch.
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
    LOCALSTACK = "localstack"
    AWS = "aws"


REDIRECTIONS = (
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CA_BUNDLE",
    "AWS_EC2_METADATA_DISABLED",
    "HARNESS_ENDPOINT",
    "HARNESS_ACCOUNT_ID",
    "HARNESS_PLATFORM_API_KEY",
)
"""Variables that can point a tool at, or away from, the sandbox.

Beside them there is one `AWS_ENDPOINT_URL_<SERVICE>` a service, stronger than the general one.
Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
"""

_SERVICE_ENDPOINT = "AWS_ENDPOINT_URL_"
_ENDPOINTS = ("AWS_ENDPOINT_URL", "HARNESS_ENDPOINT")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_SHARED = {
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
}
"""Ours may be a person's own too: alone they point nowhere."""
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


DELEGATE_KEY_ID = "LOCALSANDBOXDELEGATE"
"""The delegate's own access key, so that the local AWS can tell whose calls are whose."""


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
        # Said, not only unset: a profile of the AWS configuration may say the contrary.
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        # FIPS and dual stack are unset only: Terraform's S3 backend takes "false" for a yes.
    }


def endpoint_variables(settings: Settings) -> dict[str, str]:
    """Return what AWS clients need to find the local AWS, without any credentials."""
    return {k: v for k, v in aws_variables(settings).items() if k not in _KEYS}


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


def _reach(settings: Settings) -> dict[str, str]:
    """Return what leads to load balancers; a LocalStack alone has names that resolve."""
    variables = network_variables(settings)
    if settings.aws == "localstack-only":
        return {name: variables[name] for name in ("NO_PROXY", "no_proxy")}
    return variables


def switch(
    target: Target,
    settings: Settings,
    *,
    current: Mapping[str, str] = _NOTHING,
    terraform_config: Path | None = None,
    profile: str = "",
    region: str = "",
) -> Switch:
    """Return the variables of `target`.

    Args:
        target: where to point the tools.
        settings: ports and accounts of this sandbox.
        current: the environment that is switched; `aws` takes only ours out of it.
        terraform_config: a Terraform CLI configuration with an offline provider mirror.
        profile: for `aws`, the profile of the AWS configuration that is meant.
        region: for `aws`, the region that is meant.
    """
    if target is Target.AWS:
        return _real(settings, current, profile, region)
    variables = {
        **aws_variables(settings),
        **harness_variables(settings),
        **_reach(settings),
    }
    if terraform_config is not None:
        variables["TF_CLI_CONFIG_FILE"] = str(terraform_config)
    unset = [name for name in REDIRECTIONS if name not in variables]
    unset += [name for name in sorted(current) if name.startswith(_SERVICE_ENDPOINT)]
    return Switch(set=variables, unset=tuple(unset))


def _real(settings: Settings, current: Mapping[str, str], profile: str, region: str) -> Switch:
    """Take away what points here; name what `sandbox use aws` was told.

    Keys in the environment are stronger than a profile, so a profile that is meant puts them
    out. Source: AWS CLI user guide, "Configuration settings and precedence".
    """
    named: dict[str, str] = {}
    gone = list(_pointing_here(settings, current))
    if profile:
        named["AWS_PROFILE"] = profile
        gone += [name for name in _KEYS if name in current and name not in gone]
    if region:
        named |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    return Switch(set=named, unset=tuple(name for name in gone if name not in named))


def _pointing_here(settings: Settings, current: Mapping[str, str]) -> tuple[str, ...]:
    """Return what `local` has set in `current`; a person's own values are not touched."""
    local = switch(Target.LOCAL, settings).set
    ours = {name for name, value in local.items() if current.get(name) == value}
    if not is_here(current.get("AWS_ENDPOINT_URL", "")):
        ours -= _SHARED
    ours |= {name for name in _ENDPOINTS if is_here(current.get(name, ""))}
    services = [name for name in sorted(current) if name.startswith(_SERVICE_ENDPOINT)]
    ours |= {name for name in services if is_here(current[name])}
    if Path(current.get("TF_CLI_CONFIG_FILE", "")).parent == settings.home:
        ours.add("TF_CLI_CONFIG_FILE")
    return tuple(name for name in (*local, "TF_CLI_CONFIG_FILE", *services) if name in ours)


def is_here(url: str) -> bool:
    """Tell whether a URL names this machine, on whatever port an earlier sandbox had."""
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
