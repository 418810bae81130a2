"""`sandbox sync` and `sandbox demo`."""

import sys
from pathlib import Path
from typing import Any

import click

from sandbox import terminal
from sandbox.cli_guard import confirm_harness, guarded
from sandbox.cli_options import as_json, at_target, from_folder
from sandbox.demo.story import Demo, DemoOptions
from sandbox.environments import Target, harness_variables
from sandbox.harness_target import harness_client
from sandbox.host import host_environment
from sandbox.local_values import local_placeholders, local_webhook
from sandbox.settings import Settings, adopt_environment, load_settings, named_fields
from sandbox.stack import local_switch
from sandbox.switch.memory import meant, switch_to
from sandbox.sync import Syncer, SyncValues
from sandbox.terraform import Terraform


@click.command(short_help="Bring Harness entities in.")
@from_folder
@at_target("Whose Harness")
@guarded
@as_json
def sync(folder: Path, target: str | None, json_: bool) -> None:
    """Bring the Harness entities of a folder into the project, through Harness's API.

    Reads FOLDER/sync.yaml. What Terraform knows is read from the outputs of the modules named
    there, so apply them first. Every file is checked before anything is written, and repeating
    it updates what is there.

    Works against the sandbox; after `sandbox use aws`, or where HARNESS_ENDPOINT names another,
    against the Harness of HARNESS_ACCOUNT_ID and HARNESS_PLATFORM_API_KEY. That account is named
    first and you are asked; where nobody can be asked, `--yes --account ID` is needed.

    \b
    sandbox exec -- terraform -chdir=infra/environments/dev apply
    sandbox sync --folder harness
    sandbox pipeline list
    """
    settings = load_settings()
    choice = meant(settings, target)
    client = harness_client(settings, choice)
    confirm_harness(client, settings, "sandbox sync")
    if choice.target is Target.AWS:
        host = host_environment()
        adopt_environment(switch_to(choice, settings, host).apply(host))
    local = client.endpoint == harness_variables(settings)["HARNESS_ENDPOINT"]
    with terminal.step("sandbox sync") as line:
        syncer = Syncer(client, folder, line=line)
        values = SyncValues(
            environment={**(local_placeholders(settings) if local else {}), **host_environment()},
            outputs=_terraform_outputs(settings, syncer, folder, local=local),
        )
        done = syncer.sync(values, webhook=local_webhook(settings) if local else None)
    if json_:
        rows = [{"kind": e.kind, "identifier": e.identifier, "action": e.action} for e in done]
        terminal.print_json(rows)
    else:
        terminal.print_table(
            ("kind", "identifier", ""), [(e.kind, e.identifier, e.action) for e in done]
        )


@click.command(short_help="Run the whole road, from push to canary.")
@click.option("--rollback", is_flag=True, help="Push a release that fails its health gate.")
@click.option("--manual", is_flag=True, help="Wait for a person to approve production.")
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Folder with apps, infra and harness; the current one by default.",
)
@as_json
def demo(rollback: bool, manual: bool, project: Path, json_: bool) -> None:
    """Run the whole road: Terraform, sync, git push, CI, dev, approval, canary to prod.

    The summary is printed, and written to demo.json in the state directory.
    """
    settings = load_settings()
    if "time_scale" not in named_fields():
        settings = settings.model_copy(update={"time_scale": 10.0})
    options = DemoOptions(project=project.resolve(), manual=manual, rollback=rollback)
    summary = Demo(settings, options).run()
    if json_:
        terminal.print_json(summary)
    else:
        _print_summary(summary)
    if summary["failures"]:
        sys.exit(1)


def _terraform_outputs(
    settings: Settings, syncer: Syncer, folder: Path, *, local: bool
) -> dict[str, dict[str, str]]:
    """Read `harness_variables` of each module where it was initialised and applied."""
    env = host_environment()
    if local:
        env = local_switch(settings, env).apply(env)
    found = {}
    for module in syncer.modules():
        path = folder.resolve().parent / module
        data = Path(env.get("TF_DATA_DIR", path / ".terraform"))
        terraform = Terraform(path, env=env, data_dir=data, line=lambda _text: None)
        outputs: Any = terraform.outputs().get("harness_variables") or {}
        found[module] = {str(k): str(v) for k, v in outputs.items()}
    return found


def _print_summary(summary: dict[str, Any]) -> None:
    terminal.out.print()
    terminal.print_table(
        ("pipeline", "stage", "status", "seconds"),
        [
            row
            for execution in summary["executions"]
            for row in (
                (
                    execution["pipeline"],
                    "",
                    terminal.status_cell(execution["status"]),
                    f"{execution['seconds']:.1f}",
                ),
                *(
                    (
                        "",
                        stage["identifier"],
                        terminal.status_cell(stage["status"]),
                        f"{stage['seconds']:.1f}",
                    )
                    for stage in execution["stages"]
                ),
            )
        ],
    )
    if summary["splits"]:
        terminal.out.print()
        terminal.print_table(
            ("planned %", "measured %", "requests"),
            [(s["planned"], s["measured"], s["requests"]) for s in summary["splits"]],
        )
    terminal.out.print()
    failed = summary["failures"]
    colour = "red" if failed else "green"
    terminal.out.print(
        f"{summary['requests']} requests through the prod load balancer, "
        f"[{colour}]{failed} failed[/{colour}]; {summary['seconds']} s in all."
    )
    for reason in (e["reason"] for e in summary["executions"] if e["status"] == "Failed"):
        terminal.out.print(f"Failed because: {terminal.plain(reason)}")
    for name, url in summary["urls"].items():
        terminal.out.print(f"{name}: {url}")
    terminal.out.print(
        "The load balancers' names resolve inside `sandbox exec -- CMD`; "
        "`sandbox status` shows their addresses."
    )
