"""The command line: parse, call, print; the work is done elsewhere."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
from pydantic import ValidationError

from sandbox import stack, terminal
from sandbox.environments import Switch, Target, switch
from sandbox.errors import SandboxError, UsageError
from sandbox.lifecycle import Sandbox
from sandbox.settings import Settings, host_environment
from sandbox.terraform import write_cli_config

F = TypeVar("F", bound=Callable[..., object])


def as_json(command: F) -> F:
    """Give a command its `--json` flag."""
    flag = click.option("--json", "json_", is_flag=True, help="Print JSON for machines.")
    return flag(command)


def load_settings() -> Settings:
    """Read the settings, all errors at once.

    Raises:
        UsageError: names each variable that does not hold a valid value.
    """
    try:
        return Settings()
    except ValidationError as error:
        rows = [f"SANDBOX_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        raise UsageError("; ".join(rows), hint="`sandbox config` shows every setting.") from error


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="harness-aws-sandbox", prog_name="sandbox")
def cli() -> None:
    """A laptop that behaves like an AWS account and a Harness account.

    Start it with `sandbox up`, point your tools at it with `eval "$(sandbox env)"`, bring
    your Harness entities in with `sandbox sync`, and run pipelines with `sandbox pipeline`.
    """


@cli.command()
@click.option("--timeout", default=60, show_default=True, help="Seconds to wait until ready.")
@as_json
def up(timeout: int, json_: bool) -> None:
    """Start the sandbox and wait until every part is ready.

    Repeating it is harmless. State from an earlier run (infrastructure, images, executions,
    logs) is there again.
    """
    sandbox = Sandbox(load_settings())
    with terminal.step("sandbox up") as line:
        seconds = sandbox.up(timeout_s=timeout, ready=lambda name, s: line(f"{name} {s:.1f} s"))
    if json_:
        terminal.print_json({"ready_seconds": seconds, **sandbox.describe()})
    else:
        _print_status(sandbox)


@cli.command()
@click.option("--purge", is_flag=True, help="Also delete the state directory and all in it.")
@as_json
def down(purge: bool, json_: bool) -> None:
    """Stop the sandbox; `--purge` leaves nothing behind."""
    sandbox = Sandbox(load_settings())
    with terminal.step("sandbox down --purge" if purge else "sandbox down"):
        sandbox.down(purge=purge)
    if json_:
        terminal.print_json({"running": False, "purged": purge})


@cli.command()
@as_json
def status(json_: bool) -> None:
    """Show the processes, the addresses and the load balancers.

    Exits with 1 when the sandbox is not running.
    """
    sandbox = Sandbox(load_settings())
    described = sandbox.describe()
    if json_:
        terminal.print_json(described)
    else:
        _print_status(sandbox)
    if not described["running"]:
        sys.exit(1)


@cli.command()
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on printing what is written.")
@click.option("-n", "--lines", default=50, show_default=True, help="Lines of the past.")
@as_json
def logs(name: str | None, follow: bool, lines: int, json_: bool) -> None:
    """Print the logs of the sandbox's processes, or of process NAME.

    The logs of tasks are in CloudWatch Logs: `sandbox exec -- aws logs tail GROUP --follow`.
    """
    sandbox = Sandbox(load_settings())
    files = sandbox.log_files(name)
    offsets = {}
    for path in files:
        text = path.read_bytes()
        offsets[path] = len(text)
        for row in text.decode(errors="replace").splitlines()[-lines:]:
            _print_log(path, row, json_)
    while follow:
        time.sleep(0.2)
        for path in files:
            with path.open("rb") as stream:
                stream.seek(min(offsets[path], path.stat().st_size))
                text = stream.read()
            whole = text[: text.rfind(b"\n") + 1]
            offsets[path] += len(whole)
            for row in whole.decode(errors="replace").splitlines():
                _print_log(path, row, json_)


@cli.command()
@click.argument("target", type=click.Choice([t.value for t in Target]), default="local")
@as_json
def env(target: str, json_: bool) -> None:
    """Print the variables that point every tool at TARGET, for `eval`.

    \b
    eval "$(sandbox env)"        # Terraform, aws, boto3, Harness tools → the sandbox
    eval "$(sandbox env aws)"    # ... → the real endpoints again
    """
    chosen = _switch(load_settings(), Target(target))
    if json_:
        terminal.print_json({"set": dict(chosen.set), "unset": list(chosen.unset)})
        return
    for variable in chosen.unset:
        click.echo(f"unset {variable}")
    for variable, value in chosen.set.items():
        click.echo(f"export {variable}={shlex.quote(value)}")


@cli.command("exec", context_settings={"ignore_unknown_options": True})
@click.option(
    "--target", type=click.Choice([t.value for t in Target]), default="local", show_default=True
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@as_json
def exec_(target: str, command: tuple[str, ...], json_: bool) -> None:
    """Run COMMAND with every tool pointed at the target.

    Load balancers are reached by their own DNS names: the names resolve, and the certificates
    verify.

    \b
    sandbox exec -- aws ecs list-clusters
    sandbox exec -- curl https://my-alb-1234567890.us-east-1.elb.amazonaws.com/api/health
    """
    settings = load_settings()
    environment = _switch(settings, Target(target)).apply(host_environment())
    environment["PATH"] = stack.tool_path(host_environment())
    try:
        if not json_:
            os.execvpe(command[0], list(command), environment)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise UsageError(f"No program named {command[0]!r} on PATH.") from error
    terminal.print_json(
        {"exit_code": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
    )
    sys.exit(done.returncode)


@cli.command()
@as_json
def doctor(json_: bool) -> None:
    """Check what the sandbox needs of this machine, and say how to mend each lack.

    Exits with 3 when something needed is missing.
    """
    from sandbox.doctor import examine

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
            [(f.check, terminal.status_text(f.state), f.detail, f.mend) for f in findings],
        )
    if any(f.state == "missing" for f in findings):
        sys.exit(3)


@cli.command()
@as_json
def config(json_: bool) -> None:
    """Print every setting, its value, where it comes from and what it means."""
    settings = load_settings()
    environment = host_environment()
    rows = []
    for name, field in type(settings).model_fields.items():
        variable = f"SANDBOX_{name.upper()}"
        origin = "environment" if variable in environment else "default"
        value = str(getattr(settings, name))
        rows.append((variable, value, origin, field.description or ""))
    if json_:
        keys = ("name", "value", "origin", "description")
        terminal.print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        terminal.print_table(("setting", "value", "origin", "meaning"), rows)


def _switch(settings: Settings, target: Target) -> Switch:
    config_file = None
    if target is Target.LOCAL and "TF_CLI_CONFIG_FILE" not in host_environment():
        config_file = write_cli_config(settings.home, settings.tf_plugin_dir)
    return switch(target, settings, terraform_config=config_file)


def _print_log(path: Path, row: str, json_: bool) -> None:
    if json_:
        click.echo(json.dumps({"process": path.stem, "line": row}))
    else:
        click.echo(f"{path.stem:<9} {row}")


def _print_status(sandbox: Sandbox) -> None:
    described = sandbox.describe()
    if not described["running"]:
        terminal.err.print("The sandbox is not running. Start it with `sandbox up`.")
        return
    rows = [
        (row["name"], terminal.status_text(row["state"]), row["pid"], f"{row['uptime_s']} s")
        for row in described["processes"]
    ]
    terminal.print_table(("process", "state", "pid", "up"), rows)
    terminal.out.print()
    terminal.print_table(("what", "where"), list(described["urls"].items()))
    if described["load_balancers"]:
        terminal.out.print()
        terminal.print_table(
            ("load balancer", "address", "ports"),
            [
                (name, lb["address"], ", ".join(f"{k}→{v}" for k, v in lb["ports"].items()))
                for name, lb in described["load_balancers"].items()
            ],
        )


def main() -> None:
    """Run the command; errors for people go to standard error with their exit code."""
    from sandbox.cli_image import image
    from sandbox.cli_pipeline import pipeline
    from sandbox.cli_workshop import demo, sync

    for command in (pipeline, image, sync, demo):
        cli.add_command(command)
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        terminal.err.print("Stopped.")
        sys.exit(130)
    except SandboxError as error:
        terminal.err.print(f"[red]Error:[/red] {terminal.plain(error.message)}")
        if error.hint:
            terminal.err.print(f"[yellow]Hint:[/yellow] {terminal.plain(error.hint)}")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
