"""What a test asks of its sandbox, and the environment that its servers run in.

The only module of the plugin that reads the environment; it never changes it.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Runtime = Literal["fake", "process"]
Reset = Literal["test", "module", "session"]
RUNTIMES: tuple[str, ...] = get_args(Runtime)
RESETS: tuple[str, ...] = get_args(Reset)

REGION = "us-east-1"
ACCOUNT_ID = "000000000000"
HARNESS_ACCOUNT = "sandbox_account"
HARNESS_KEY = "pat.sandbox_account.local.sandbox"

TEST_KEY = "LOCALSANDBOXTEST0000"
PIPELINE_KEY = "LOCALSANDBOXDELEGATE"
SECRET_KEY = "local-sandbox-secret-key"  # noqa: S105  any secret is accepted

CALLERS: Mapping[str, str] = {TEST_KEY: "test", PIPELINE_KEY: "pipeline"}
"""Access key to who signs with it: so a recorded call tells who made it.

Tasks sign with the credentials of their task roles.
"""

_FOREIGN = ("AWS_", "SANDBOX_", "FAKE_HARNESS_", "HARNESS_", "DELEGATE_", "PLUGIN_", "PYTEST_")
_ALSO_FOREIGN = frozenset(
    {"ACCOUNT_ID", "MANAGER_HOST_AND_PORT", "PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS"}
    | {"PYTHONPROFILEIMPORTTIME", "COV_CORE_SOURCE", "COV_CORE_CONFIG", "COV_CORE_DATAFILE"}
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one test asks for; a change of it needs a reset."""

    runtime: Runtime = "fake"
    time_scale: float = 100.0

    def wire(self) -> dict[str, object]:
        """Return the wish as the servers read it."""
        return {"runtime": self.runtime, "timeScale": self.time_scale}


def aws_variables(url: str, *, access_key: str = TEST_KEY) -> dict[str, str]:
    """Return the variables that point an AWS client at `url`, and nothing else."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def server_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of the plugin's servers: the person's, without their accounts.

    A pipeline step finds its tools on the person's PATH, so most of it is kept. Loopback
    never goes through a proxy.
    """
    given = os.environ if environment is None else environment
    kept = {
        name: value
        for name, value in given.items()
        if not name.startswith(_FOREIGN) and name not in _ALSO_FOREIGN
    }
    if any(name in kept or name.lower() in kept for name in _PROXIES):
        kept["NO_PROXY"] = kept["no_proxy"] = "127.0.0.1,localhost,::1"
    return kept


def harness_variables(aws_url: str, harness_url: str, home: str) -> dict[str, str]:
    """Return what the Harness server adds: where AWS is, and how images are built."""
    return {
        **aws_variables(aws_url, access_key=PIPELINE_KEY),
        "MANAGER_HOST_AND_PORT": harness_url,
        "FAKE_HARNESS_IMAGE_BUILDER": f"{sys.executable} -W ignore -m sandbox.aws.builder",
        "SANDBOX_HOME": home,
        "SANDBOX_AWS_PORT": aws_url.rpartition(":")[2],
    }


def parse_wish(runtime: object, time_scale: object, *, base: Wish, where: str) -> Wish:
    """Check what an option or a marker names; None keeps what `base` says.

    Raises:
        ValueError: says what is allowed, and where it was named.
    """
    wanted = base.runtime if runtime is None else runtime
    if wanted not in RUNTIMES:
        raise ValueError(f"{where}: runtime={wanted!r} is not one of {', '.join(RUNTIMES)}")
    scale = base.time_scale if time_scale is None else time_scale
    try:
        factor = float(str(scale))
    except ValueError as error:
        raise ValueError(f"{where}: time_scale={scale!r} is no number") from error
    if factor <= 0:
        raise ValueError(f"{where}: time_scale={scale!r} must be above 0")
    return Wish(runtime="process" if wanted == "process" else "fake", time_scale=factor)
