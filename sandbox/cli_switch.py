"""`sandbox use`: choose where the tools are pointed; it changes no account."""

import click

from sandbox import terminal
from sandbox.cli import as_json
from sandbox.environments import Target
from sandbox.errors import UsageError
from sandbox.settings import host_environment, load_settings
from sandbox.switch.memory import Choice, remember, remembered, switch_to

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
    choice = before
    if target is None:
        if profile or region:
            raise UsageError("--profile and --region need a TARGET.", hint="sandbox use aws ...")
    else:
        if Target(target) is not Target.AWS and (profile or region):
            raise UsageError(
                f"--profile and --region mean nothing with {target}.",
                hint="The sandbox knows one account and takes its region from SANDBOX_REGION.",
            )
        choice = Choice(target=Target(target), profile=profile, region=region)
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


def _print_choice(choice: Choice, before: Choice, changed: dict[str, str], gone: list[str]) -> None:
    was = f" (it was {before.target})" if before.target is not choice.target else ""
    terminal.out.print(f"Target: {choice.target}{was}: {_MEANING[choice.target]}.")
    if not changed and not gone:
        terminal.out.print("This shell has its variables already.")
        return
    terminal.out.print('For this shell: eval "$(sandbox env)" changes')
    rows = [*changed.items(), *((name, "(unset)") for name in gone)]
    terminal.print_table(("variable", "becomes"), rows)
