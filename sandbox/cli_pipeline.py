"""`sandbox pipeline ...`: lint, run, list, show, logs, approve, abort; over Harness's API."""

import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from sandbox import terminal
from sandbox.cli_guard import confirm_harness, guarded
from sandbox.cli_options import as_json, scoped
from sandbox.errors import UsageError
from sandbox.executions import FINAL, StepRow, stage_rows, step_rows
from sandbox.harness_client import HarnessClient
from sandbox.harness_target import harness_client
from sandbox.settings import load_settings

LEVELS = 3
"""A file's folder, and two above it, may hold its `templates`."""


@click.group()
def pipeline() -> None:
    """Lint, run and watch Harness pipelines.

    Works against the sandbox; after `sandbox use aws`, or where HARNESS_ENDPOINT names another,
    against the Harness of HARNESS_ACCOUNT_ID and HARNESS_PLATFORM_API_KEY. `run`, `approve` and
    `abort` name that account and ask first; `--yes --account ID` answers.
    """


@pipeline.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--templates",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of template files; may be repeated.",
)
@as_json
def lint(files: tuple[Path, ...], folders: tuple[Path, ...], json_: bool) -> None:
    """Check pipeline FILES without starting anything.

    Every problem is named with its file, line and YAML path. Exits with 1 when one is an
    error. Templates are looked for among FILES, in --templates, and in the folder `templates`
    beside or above a file: those of harness/pipelines/ci.yaml in harness/templates.
    """
    command = [sys.executable, "-W", "ignore", "-m", "fake_harness.lint_main"]
    for folder in (*folders, *template_folders(files)):
        command += ["--templates", str(folder)]
    if json_:
        command.append("--json")
    sys.exit(subprocess.run([*command, *map(str, files)], check=False).returncode)


def template_folders(files: Iterable[Path]) -> list[Path]:
    """Return the nearest `templates` folder of each file, at most two levels above it."""
    found = []
    for file in files:
        places = [parent / "templates" for parent in file.absolute().parents[:LEVELS]]
        found += [place for place in places if place.is_dir()][:1]
    return list(dict.fromkeys(found))


@pipeline.command()
@click.argument("identifier")
@click.option("--input-file", type=click.Path(path_type=Path), help="Runtime inputs, YAML.")
@click.option("--input-set", "input_sets", multiple=True, help="Identifier; may be repeated.")
@click.option("--wait/--no-wait", default=True, help="Follow the execution to its end.")
@scoped
@guarded
@as_json
def run(
    identifier: str,
    input_file: Path | None,
    input_sets: tuple[str, ...],
    wait: bool,
    org: str,
    project: str,
    json_: bool,
) -> None:
    """Start pipeline IDENTIFIER. Exits with 1 when the execution does not succeed.

    \b
    sandbox pipeline run workshop_ci --input-set ci_main
    sandbox pipeline run workshop_cd --no-wait     # prints the execution's id
    sandbox pipeline show ID                       # stages and steps
    sandbox pipeline logs ID STEP                  # what a step wrote
    """
    if input_file is not None and not input_file.is_file():
        raise UsageError(f"There is no file {input_file}.")
    settings = load_settings()
    client = harness_client(settings)
    what = f"sandbox pipeline run {identifier}"
    confirm_harness(client, settings, what)
    inputs = input_file.read_text() if input_file else ""
    execution_id = client.execute(
        org, project, identifier, inputs_yaml=inputs, input_sets=input_sets
    )
    if not wait:
        _print_id(execution_id, json_)
        return
    answer = follow(client, org, project, execution_id, quiet=json_)
    _print_execution(answer, json_)
    if answer["pipelineExecutionSummary"]["status"] not in {"Success", "IgnoreFailed"}:
        sys.exit(1)


@pipeline.command("list")
@click.option("--pipeline", "identifier", default="", help="Only of this pipeline.")
@click.option("--size", default=20, show_default=True, help="How many.")
@scoped
@as_json
def list_(identifier: str, size: int, org: str, project: str, json_: bool) -> None:
    """List executions, newest first."""
    client = harness_client(load_settings())
    rows = client.executions(org, project, pipeline=identifier, size=size)
    if json_:
        terminal.print_json(rows)
        return
    terminal.print_table(
        ("execution", "pipeline", "run", "status", "trigger", "seconds"),
        [
            (
                row["planExecutionId"],
                row["pipelineIdentifier"],
                row.get("runSequence", ""),
                terminal.status_cell(row["status"]),
                row.get("executionTriggerInfo", {}).get("triggerType", ""),
                _seconds(row),
            )
            for row in rows
        ],
    )


@pipeline.command()
@click.argument("execution_id")
@scoped
@as_json
def show(execution_id: str, org: str, project: str, json_: bool) -> None:
    """Show the stages and steps of an execution."""
    client = harness_client(load_settings())
    _print_execution(client.execution(org, project, execution_id), json_)


@pipeline.command()
@click.argument("execution_id")
@click.argument("step", required=False)
@scoped
@as_json
def logs(execution_id: str, step: str | None, org: str, project: str, json_: bool) -> None:
    """Print the logs of an execution, or of one STEP (its identifier)."""
    client = harness_client(load_settings())
    rows = [r for r in step_rows(client.execution(org, project, execution_id)) if r.log_keys]
    chosen = [row for row in rows if step in {None, row.identifier}]
    if not chosen:
        known = ", ".join(dict.fromkeys(row.identifier for row in rows))
        what = f"No step {step!r} with a log." if step else "No step has a log yet."
        raise UsageError(what, hint=f"Steps with logs: {known}." if known else "")
    for row in chosen:
        _print_step_log(client, row, json_)


@pipeline.command()
@click.argument("execution_id")
@click.option("--reject", is_flag=True, help="Reject instead.")
@click.option("--comments", default="", help="Kept with the decision.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="Approver input.")
@scoped
@guarded
@as_json
def approve(
    execution_id: str,
    reject: bool,
    comments: str,
    inputs: tuple[str, ...],
    org: str,
    project: str,
    json_: bool,
) -> None:
    """Approve (or `--reject`) what EXECUTION_ID waits for."""
    values = dict(map(_approver_input, inputs))
    settings = load_settings()
    client = harness_client(settings)
    what = f"sandbox pipeline approve {execution_id}"
    confirm_harness(client, settings, what)
    rows = client.approvals(org, project, execution_id)
    waiting = [row for row in rows if row["status"] == "WAITING"]
    if not waiting:
        raise UsageError(
            f"Execution {execution_id} waits for no approval.",
            hint=f"`sandbox pipeline show {execution_id}` tells where it stands; an approval of a "
            "pipeline that it started belongs to that one's execution.",
        )
    action = "REJECT" if reject else "APPROVE"
    client.act_on_approval(waiting[0]["id"], action, comments=comments, inputs=values)
    if json_:
        terminal.print_json({"approval": waiting[0]["id"], "action": action})
    else:
        terminal.out.print(f"{action.title()}d approval {waiting[0]['id']}.")


@pipeline.command()
@click.argument("execution_id")
@scoped
@guarded
@as_json
def abort(execution_id: str, org: str, project: str, json_: bool) -> None:
    """Abort an execution: its running steps are stopped."""
    settings = load_settings()
    client = harness_client(settings)
    what = f"sandbox pipeline abort {execution_id}"
    confirm_harness(client, settings, what)
    client.interrupt(org, project, execution_id, "AbortAll")
    _print_id(execution_id, json_)


def _approver_input(item: str) -> tuple[str, str]:
    name, sign, value = item.partition("=")
    if not sign:
        raise UsageError(f"--input {item!r} is not NAME=VALUE.")
    return name, value


def follow(
    client: HarnessClient, org: str, project: str, execution_id: str, *, quiet: bool = False
) -> dict[str, Any]:
    """Wait for an execution's end, printing each change of a step; return its last state."""
    seen: dict[str, str] = {}
    while True:
        answer = client.execution(org, project, execution_id)
        for row in step_rows(answer):
            if not quiet and row.status != seen.get(row.uuid) and row.status != "NotStarted":
                seen[row.uuid] = row.status
                text = terminal.status_text(row.status)
                terminal.err.print(f"  {terminal.plain(row.path)}: {text}")
        if answer["pipelineExecutionSummary"]["status"] in FINAL:
            return answer
        time.sleep(0.3)


def _print_execution(answer: dict[str, Any], json_: bool) -> None:
    if json_:
        terminal.print_json(answer)
        return
    summary = answer["pipelineExecutionSummary"]
    status = terminal.status_text(summary["status"])
    terminal.out.print(f"{summary['pipelineIdentifier']} {summary['planExecutionId']}: {status}")
    reason = (summary.get("failureInfo") or {}).get("message")
    if reason:
        terminal.out.print(f"Reason: {terminal.plain(str(reason))}")
    rows: list[tuple[object, ...]] = []
    for stage in stage_rows(answer):
        rows.append((stage.name, "", terminal.status_cell(stage.status), f"{stage.seconds:.1f}"))
        rows += [
            ("", step.path, terminal.status_cell(step.status), f"{step.seconds:.1f}")
            for step in step_rows(answer)
            if step.stage == stage.identifier
        ]
    terminal.print_table(("stage", "step", "status", "seconds"), rows)


def _print_step_log(client: HarnessClient, row: StepRow, json_: bool) -> None:
    for key in row.log_keys:
        if not json_:
            terminal.out.print(f"[bold]{terminal.plain(row.path)}[/bold]")
        for line in client.log_lines(key):
            if json_:
                terminal.print_json({"step": row.identifier, **line})
            else:
                click.echo(str(line.get("out", "")).rstrip("\n"))


def _print_id(execution_id: str, json_: bool) -> None:
    if json_:
        terminal.print_json({"planExecutionId": execution_id})
    else:
        click.echo(execution_id)


def _seconds(row: dict[str, Any]) -> str:
    if not row.get("endTs"):
        return ""
    return f"{(row['endTs'] - row['startTs']) / 1000:.1f}"
