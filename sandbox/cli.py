"""The command line: parse, call, print; the work is done elsewhere."""

import importlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import cast

import click

from sandbox import stack, terminal
from sandbox.cli_guard import confirm_command, guarded
from sandbox.cli_options import as_json, at_target
from sandbox.environments import Target
from sandbox.errors import SandboxError, UsageError
from sandbox.host import host_environment
from sandbox.settings import (
    adopt_environment,
    load_settings,
    named_fields,
    started_settings,
    variable,
)
from sandbox.switch.memory import lets_localstack_in, meant, switch_to

_ELSEWHERE = {
    "use": "sandbox.cli_switch:use",
    "preflight": "sandbox.cli_switch:preflight",
    "sync": "sandbox.cli_workshop:sync",
    "pipeline": "sandbox.cli_pipeline:pipeline",
    "image": "sandbox.cli_image:image",
    "images": "sandbox.cli_images:images",
    "iam": "sandbox.cli_iam:iam",
    "demo": "sandbox.cli_workshop:demo",
    "serve": "sandbox.cli_serve:serve",
}
_EXIT_CODES = """\b
Exit codes:
  0    done
  1    refused, or it ended badly: the message says by whom and why
  2    a flag, a file, a setting or a name is wrong
  3    the machine lacks something: a program, a free port, a writable directory
  4    not ready in time; repeating it goes on waiting
  130  stopped by Ctrl-C
`exec` ends with the code of its command.
"""


class SandboxGroup(click.Group):
    """The commands in the order in which one meets them; some are loaded when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in order."""
        del ctx
        return [*self.commands, *_ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing it where needed."""
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, name = _ELSEWHERE[cmd_name].partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), name))


@click.group(
    cls=SandboxGroup,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="harness-aws-sandbox", prog_name="sandbox")
def cli() -> None:
    """A laptop that behaves like an AWS account and a Harness account.

    \b
    sandbox up                  start it
    eval "$(sandbox env)"       point Terraform, aws, boto3 and Harness tools at it
    sandbox sync                bring your Harness entities in
    sandbox pipeline run ID     run a pipeline and watch it
    sandbox down                stop it; the state stays

    Settings are environment variables (`sandbox config`). State lives in SANDBOX_HOME, by
    default .sandbox in the current folder.
    """


@cli.command(short_help="Start the sandbox; wait until it is ready.")
@click.option("--timeout", default=60, show_default=True, help="Seconds to wait until ready.")
@click.option(
    "--aws",
    type=click.Choice(["local", "localstack", "localstack-only"]),
    help="Who answers AWS calls; by default SANDBOX_AWS, or local.",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "docker", "process"]),
    help="What runs the tasks; by default SANDBOX_ENGINE, or auto: docker where it answers.",
)
@as_json
def up(timeout: int, aws: str | None, engine: str | None, json_: bool) -> None:
    """Start the sandbox and wait until every part is ready.

    With `--aws localstack`, or after `sandbox use localstack`, the LocalStack at
    SANDBOX_LOCALSTACK_URL answers for what it has, and the sandbox for the rest (ECS, ECR, load
    balancers, networks). `localstack-only` points the tools at a licensed LocalStack alone.

    Tasks run on Docker where a Docker-API engine answers, else as processes of this machine;
    `--engine` says which. The engine stays the same until `sandbox down`.

    Repeating it is harmless: what died is started again. State from an earlier run
    (infrastructure, images, executions, logs) is there again.

    The settings of the start are kept until `sandbox down`, so later commands need only the
    same SANDBOX_HOME (or folder).
    """
    from sandbox.lifecycle import Sandbox

    settings = load_settings()
    if aws is None and lets_localstack_in(settings):
        aws = "localstack"
    named = {"aws": aws, "engine": engine}
    chosen = {name: value for name, value in named.items() if value}
    sandbox = Sandbox(settings.model_copy(update=chosen))
    with terminal.step("sandbox up") as line:
        seconds = sandbox.up(timeout_s=timeout, ready=lambda name, s: line(f"{name} {s:.1f} s"))
    described = sandbox.describe()
    if json_:
        terminal.print_json({"ready_seconds": seconds, **described})
    else:
        _print_status(described)


@cli.command(short_help="Stop the sandbox; --purge deletes its state.")
@click.option("--purge", is_flag=True, help="Also delete the state directory and all in it.")
@as_json
def down(purge: bool, json_: bool) -> None:
    """Stop the sandbox: its processes, the tasks and the steps that run.

    State stays, and `sandbox up` goes on from it; `--purge` leaves nothing behind.
    """
    from sandbox.lifecycle import Sandbox

    sandbox = Sandbox(load_settings())
    with terminal.step("sandbox down --purge" if purge else "sandbox down"):
        trouble = sandbox.down(purge=purge)
    if trouble:
        terminal.err.print(terminal.plain(trouble))
    if json_:
        terminal.print_json({"running": False, "purged": purge})


@cli.command(short_help="Show processes, addresses and load balancers.")
@as_json
def status(json_: bool) -> None:
    """Show the processes, the addresses and the load balancers.

    Exits with 1 when the sandbox is not running.
    """
    from sandbox.lifecycle import Sandbox

    described = Sandbox(load_settings()).describe()
    if json_:
        terminal.print_json(described)
    else:
        _print_status(described)
    if not described["running"]:
        sys.exit(1)


@cli.command(short_help="Print the logs of the sandbox's processes.")
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on printing what is written.")
@click.option("-n", "--lines", default=50, show_default=True, help="Lines of the past.")
@as_json
def logs(name: str | None, follow: bool, lines: int, json_: bool) -> None:
    """Print the logs of the sandbox's processes, or of process NAME.

    \b
    sandbox logs                 the last lines of each
    sandbox logs aws -f          follow one
    sandbox exec -- aws logs tail GROUP --follow     what tasks write (aws cli v2)
    sandbox pipeline logs ID                         what steps write
    """
    from sandbox import tail
    from sandbox.lifecycle import Sandbox

    tails = [tail.LogTail(path) for path in Sandbox(load_settings()).log_files(name)]
    for one in tails:
        for row in one.past(lines):
            _print_log(one.path, row, json_)
    if follow:
        for path, row in tail.follow(tails):
            _print_log(path, row, json_)


@cli.command(short_help="Print variables that point tools here.")
@click.argument("target", type=click.Choice([t.value for t in Target]), required=False)
@as_json
def env(target: str | None, json_: bool) -> None:
    """Print the variables that point every tool at TARGET, for `eval`.

    TARGET is by default the one of `sandbox use`, or `local`. `aws` takes away only what points
    here; your own profile, keys and region are not touched.

    \b
    eval "$(sandbox env)"        # Terraform, aws, boto3, Harness tools → the sandbox
    eval "$(sandbox env aws)"    # ... → the real endpoints again
    """
    settings = load_settings()
    chosen = switch_to(meant(settings, target), settings, host_environment())
    if json_:
        terminal.print_json({"set": dict(chosen.set), "unset": list(chosen.unset)})
        return
    for name in chosen.unset:
        click.echo(f"unset {name}")
    for name, value in chosen.set.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@cli.command(
    "exec",
    short_help="Run a command pointed here.",
    context_settings={"allow_interspersed_args": False},
)
@at_target("Where the tools are pointed")
@guarded
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@as_json
def exec_(target: str | None, command: tuple[str, ...], json_: bool) -> None:
    """Run COMMAND with every tool pointed at the target, and print nothing else.

    Load balancers are reached by their own DNS names: the names resolve, and the certificates
    verify. Flags of `exec` itself come before COMMAND.

    Pointed at `aws`, a command that may change the account names it and asks first; where
    nobody can be asked, `--yes --account ID` is needed. Those known to read only just run.

    \b
    sandbox exec -- aws ecs list-clusters
    sandbox exec -- terraform plan
    sandbox exec -- curl https://my-alb-1234567890.us-east-1.elb.amazonaws.com/api/health
    """
    settings = load_settings()
    host, choice = host_environment(), meant(settings, target)
    environment = switch_to(choice, settings, host).apply(host)
    environment["PATH"] = stack.tool_path(host)
    if choice.target is Target.AWS:
        adopt_environment(environment)
        confirm_command(command)
    try:
        if not json_:
            os.execvpe(command[0], list(command), environment)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UsageError(f"{command[0]!r} cannot be run: {error.strerror}.") from error
    terminal.print_json(
        {"exit_code": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
    )
    sys.exit(done.returncode)


@cli.command(short_help="Print or export the CA certificate.")
@click.option("--bundle", is_flag=True, help="The host's own trust with the sandbox's CA.")
@click.option(
    "--export", type=click.Path(path_type=Path), help="Copy it to this file (`-`: print it)."
)
@as_json
def ca(bundle: bool, export: Path | None, json_: bool) -> None:
    """Print the path of the CA certificate that signs the load balancers' certificates.

    `sandbox env` and `sandbox exec` make tools trust it; this is for all others, such as a
    browser.

    \b
    curl --cacert "$(sandbox ca)" ...
    sandbox ca --export sandbox-ca.pem
    """
    from sandbox.lifecycle import Sandbox

    folder = Sandbox(load_settings()).authority()
    path = folder / ("bundle.pem" if bundle else "ca.pem")
    if export is not None and str(export) != "-":
        try:
            export.write_bytes(path.read_bytes())
        except OSError as error:
            raise UsageError(f"{export} cannot be written: {error.strerror}.") from error
        path = export.resolve()
    if json_:
        terminal.print_json({"path": str(path), "pem": path.read_text()})
    elif str(export) == "-":
        click.echo(path.read_text(), nl=False)
    else:
        click.echo(path)


@cli.command(short_help="Check this machine; say how to mend it.")
@as_json
def doctor(json_: bool) -> None:
    """Check what the sandbox needs of this machine, and say how to mend each lack.

    Exits with 3 when something needed is missing.
    """
    from sandbox.doctor import examine
    from sandbox.lifecycle import Sandbox

    settings = load_settings()
    running = bool(Sandbox(settings).describe()["running"])
    findings = examine(settings, host_environment(), running=running)
    if json_:
        rows = [
            {"check": f.check, "state": f.state, "detail": f.detail, "mend": f.mend}
            for f in findings
        ]
        terminal.print_json(rows)
    else:
        terminal.print_table(
            ("check", "state", "detail", "mend"),
            [(f.check, terminal.status_cell(f.state), f.detail, f.mend) for f in findings],
        )
    if any(f.state == "missing" for f in findings):
        sys.exit(3)


@cli.command(short_help="Print settings, their values and origins.")
@click.option("--markdown", is_flag=True, help="Print docs/settings.md.")
@as_json
def config(markdown: bool, json_: bool) -> None:
    """Print every setting, its value, where it comes from and what it means."""
    if markdown:
        from sandbox.settings_doc import settings_page

        click.echo(settings_page(), nl=False)
        return
    settings = load_settings()
    named, started = named_fields(), started_settings(settings)
    rows = []
    for name, field in type(settings).model_fields.items():
        origin = "environment" if name in named else "start" if name in started else "default"
        value = getattr(settings, name)
        shown = "" if value is None else str(value)
        rows.append((variable(name), shown, origin, field.description or ""))
    if json_:
        keys = ("name", "value", "origin", "description")
        terminal.print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        terminal.print_table(("setting", "value", "origin", "meaning"), rows)


def _print_log(path: Path, row: str, json_: bool) -> None:
    if json_:
        click.echo(json.dumps({"process": path.stem, "line": row}))
    else:
        click.echo(f"{path.stem:<9} {row}")


def _print_status(described: dict[str, object]) -> None:
    from sandbox.status import print_status

    print_status(described)


def main() -> None:
    """Run the command; errors for people go to standard error with their exit code."""
    try:
        cli(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        terminal.err.print("Stopped.")
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read has enough (`sandbox logs | head`); Python would complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except SandboxError as error:
        terminal.print_error(error.message, error.hint)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
