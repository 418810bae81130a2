"""Which Harness the commands speak to: the sandbox's, or what `HARNESS_*` names."""

from collections.abc import Mapping

from sandbox.environments import Target, harness_variables, is_here
from sandbox.errors import UsageError
from sandbox.harness_client import HarnessClient
from sandbox.host import host_environment
from sandbox.settings import Settings
from sandbox.switch.memory import Choice, remembered, switch_to

HARNESS_SAAS = "https://app.harness.io/gateway"
"""Where Harness's clients go when no variable says otherwise. Source: its Terraform provider."""


def harness_client(settings: Settings, choice: Choice | None = None) -> HarnessClient:
    """Make the client for the chosen target, by default the remembered one.

    Under `local` it speaks to the sandbox, or to what `HARNESS_ENDPOINT` names; under `aws`
    never to the sandbox.

    Raises:
        UsageError: another Harness is meant and its account or key is not named.
    """
    host = host_environment()
    choice = choice or remembered(settings)
    if choice.target is Target.AWS:
        env = switch_to(choice, settings, host).apply(host)
        return _real_client(settings, {"HARNESS_ENDPOINT": HARNESS_SAAS, **env})
    ours = harness_variables(settings)
    if host.get("HARNESS_ENDPOINT", ours["HARNESS_ENDPOINT"]) != ours["HARNESS_ENDPOINT"]:
        return _real_client(settings, host)
    return HarnessClient(
        ours["HARNESS_ENDPOINT"],
        ours["HARNESS_ACCOUNT_ID"],
        host.get("HARNESS_PLATFORM_API_KEY", ours["HARNESS_PLATFORM_API_KEY"]),
    )


def local_harness_client(settings: Settings) -> HarnessClient:
    """Make the client of this very sandbox, whatever the environment says."""
    return HarnessClient(*harness_variables(settings).values())


def is_real(client: HarnessClient, settings: Settings) -> bool:
    """Tell whether a client's account is another's than this machine's sandboxes."""
    ours = harness_variables(settings)["HARNESS_ENDPOINT"]
    return client.endpoint != ours and not is_here(client.endpoint)


def _real_client(settings: Settings, env: Mapping[str, str]) -> HarnessClient:
    names = tuple(harness_variables(settings))
    missing = [name for name in names if not env.get(name)]
    if missing:
        raise UsageError(
            f"{env['HARNESS_ENDPOINT']} is meant, but not set: {' and '.join(missing)}.",
            hint="Set HARNESS_ENDPOINT, HARNESS_ACCOUNT_ID and HARNESS_PLATFORM_API_KEY as "
            "Harness's own clients read them; `sandbox use local` and no HARNESS_ENDPOINT mean "
            "the sandbox.",
        )
    return HarnessClient(*(env[name] for name in names))
