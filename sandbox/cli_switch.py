"""`sandbox use` and `sandbox preflight`: choose where tools are pointed; change no account."""

import sys
from pathlib import Path

import click

from sandbox import terminal
from sandbox.cli_options import as_json, from_folder
from sandbox.environments import Target
from sandbox.errors import SandboxError, UsageError
from sandbox.harness_client import HarnessClient
from sandbox.harness_target import harness_client
from sandbox.host import host_environment
from sandbox.settings import Settings, adopt_environment, load_settings
from sandbox.switch.memory import (
    Choice,
    lets_localstack_in,
    meant,
    remember,
    remembered,
    switch_to,
)
from sandbox.switch.preflight.line import Line, Verdict

_MEANING = {
    Target.LOCAL: "the sandbox",
    Target.LOCALSTACK: "the sandbox, which asks a LocalStack for what that has",
    Target.AWS: "real AWS and Harness; nothing points here",
}


@click.command(short_help="Choose local, localstack or aws.")
@click.argument("target", type=click.Choice([t.value for t in Target]), required=False)
@click.option("--profile", default="", help="With `aws`: profile of the AWS configuration.")
@click.option("--region", default="", help="With `aws`: the region that is meant.")
@as_json
def use(target: str | None, profile: str, region: str, json_: bool) -> None:
    """Remember TARGET for the commands that follow; without TARGET, say which it is.

    `env`, `exec`, `sync` and `pipeline` mean the remembered target from then on. Nothing but
    environment variables differs between targets; your shell has to take them over.

    \b
    sandbox use aws --profile work --region eu-west-1
    eval "$(sandbox env)"              # this shell: real AWS and Harness
    sandbox preflight aws              # what would stop the stack there
    sandbox exec -- terraform apply    # names the account and asks
    sandbox use local                  # ... and back
    """
    settings = load_settings()
    before = remembered(settings)
    choice = _choice(target, profile, region) or before
    if target is not None:
        remember(settings, choice)
    host = host_environment()
    chosen = switch_to(choice, settings, host)
    changed = {name: value for name, value in chosen.set.items() if host.get(name) != value}
    gone = [name for name in chosen.unset if name in host]
    if json_:
        terminal.print_json(
            {
                "target": choice.target,
                "was": before.target,
                "profile": choice.profile,
                "region": choice.region,
                "set": changed,
                "unset": gone,
            }
        )
        return
    _print_choice(choice, before, changed, gone)
    if lets_localstack_in(settings):
        _print_localstack(settings)


def _choice(target: str | None, profile: str, region: str) -> Choice | None:
    if target is None:
        if profile or region:
            raise UsageError("--profile and --region need a TARGET.", hint="sandbox use aws ...")
        return None
    if Target(target) is not Target.AWS and (profile or region):
        raise UsageError(
            f"--profile and --region mean nothing with {target}.",
            hint="The sandbox knows one account and takes its region from SANDBOX_REGION.",
        )
    return Choice(target=Target(target), profile=profile, region=region)


def _print_choice(choice: Choice, before: Choice, changed: dict[str, str], gone: list[str]) -> None:
    was = f" (it was {before.target})" if before.target is not choice.target else ""
    terminal.out.print(f"Target: {choice.target}{was}: {_MEANING[choice.target]}.")
    if not changed and not gone:
        terminal.out.print("This shell has its variables already.")
        return
    terminal.out.print('For this shell: eval "$(sandbox env)" changes')
    rows = [*changed.items(), *((name, "(unset)") for name in gone)]
    terminal.print_table(("variable", "becomes"), rows)


def _print_localstack(settings: Settings) -> None:
    again = "sandbox down, then sandbox up," if settings.started_file.exists() else "sandbox up"
    terminal.out.print(
        f"{again} lets the LocalStack at {settings.localstack_url} answer for what it has."
    )


@click.command(short_help="Find what would stop the stack in a real account.")
@click.argument("target", type=click.Choice([Target.AWS.value]))
@click.option(
    "--infra",
    type=click.Path(path_type=Path),
    default=Path("infra"),
    show_default=True,
    help="Folder of the Terraform configuration.",
)
@from_folder
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    help="Output of `terraform show -json`: exact names and numbers.",
)
@as_json
def preflight(target: str, infra: Path, folder: Path, plan: Path | None, json_: bool) -> None:
    """Look, without changing anything, for what would stop the stack in the real account.

    Who one is, calls that IAM would deny, quotas, names that are taken, base images,
    certificates, secrets without a value, settings that AWS refuses, and what Harness lacks.
    Each line says how to mend it. Exits with 1 when something blocks.

    \b
    sandbox use aws --profile work --region eu-west-1
    sandbox preflight aws
    terraform plan -out=tfplan && terraform show -json tfplan > plan.json
    sandbox preflight aws --plan plan.json      # names and numbers, too
    """
    from sandbox.switch.preflight.needs import read_needs
    from sandbox.switch.preflight.run import Clients
    from sandbox.switch.preflight.run import preflight as look

    host = host_environment()
    needs = read_needs(infra=infra, harness=folder, plan=plan, environment=host)
    settings = load_settings()
    choice = meant(settings, target)
    client = _harness(settings, choice)
    adopt_environment(switch_to(choice, settings, host).apply(host))
    with terminal.step("sandbox preflight aws") as line:
        lines = look(needs, Clients(), client, host, line)
    _print_lines(lines, json_)
    if any(row.verdict is Verdict.BLOCKED for row in lines):
        sys.exit(1)


def _harness(settings: Settings, choice: Choice) -> HarnessClient | SandboxError:
    """Return the client, or why there is none: the other checks do not need it."""
    try:
        return harness_client(settings, choice)
    except UsageError as error:
        return error


def _print_lines(lines: list[Line], json_: bool) -> None:
    if json_:
        keys = ("check", "verdict", "detail", "mend")
        terminal.print_json([{key: getattr(row, key) for key in keys} for row in lines])
        return
    terminal.print_table(
        ("check", "state", "detail", "mend"),
        [(row.check, terminal.status_cell(row.verdict), row.detail, row.mend) for row in lines],
    )
