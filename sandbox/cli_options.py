"""Options that several commands share; those that guard a real account are in `cli_guard`."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from sandbox.environments import Target

F = TypeVar("F", bound=Callable[..., object])


def as_json(command: F) -> F:
    """Give a command its `--json` flag."""
    flag = click.option("--json", "json_", is_flag=True, help="Print JSON for machines.")
    return flag(command)


def at_target(what: str) -> Callable[[F], F]:
    """Give a command its `--target`; `what` is meant begins the help."""
    return click.option(
        "--target",
        type=click.Choice([t.value for t in Target]),
        help=f"{what}; by default as `sandbox use` says, or local.",
    )


def from_folder(command: F) -> F:
    """Give a command its `--folder` of Harness entities."""
    folder = click.option(
        "--folder",
        type=click.Path(path_type=Path),
        default=Path("harness"),
        show_default=True,
        help="Folder that holds sync.yaml.",
    )
    return folder(command)


def scoped(command: F) -> F:
    """Give a command its `--org` and `--project`."""
    org = click.option(
        "--org",
        default="workshop",
        show_default=True,
        envvar="HARNESS_ORG_ID",
        show_envvar=True,
        help="Organization.",
    )
    project = click.option(
        "--project",
        default="harness_workshop",
        show_default=True,
        envvar="HARNESS_PROJECT_ID",
        show_envvar=True,
        help="Project.",
    )
    return project(org(command))
