"""Which Harness the commands speak to: the sandbox's, or what `HARNESS_*` names."""

from sandbox.environments import harness_variables
from sandbox.errors import UsageError
from sandbox.harness_client import HarnessClient
from sandbox.settings import Settings, host_environment


def harness_client(settings: Settings) -> HarnessClient:
    """Make the client for `HARNESS_ENDPOINT`, or for the sandbox where it is not set.

    Raises:
        UsageError: an endpoint is named without its account or key.
    """
    env = host_environment()
    values = harness_variables(settings)
    if env.get("HARNESS_ENDPOINT", values["HARNESS_ENDPOINT"]) != values["HARNESS_ENDPOINT"]:
        missing = [name for name in values if not env.get(name)]
        if missing:
            raise UsageError(
                f"HARNESS_ENDPOINT is set, but not {' and '.join(missing)}.",
                hint="Set all three, or unset HARNESS_ENDPOINT to use the sandbox.",
            )
        values = {name: env[name] for name in values}
    return HarnessClient(
        values["HARNESS_ENDPOINT"],
        values["HARNESS_ACCOUNT_ID"],
        env.get("HARNESS_PLATFORM_API_KEY", values["HARNESS_PLATFORM_API_KEY"]),
    )
