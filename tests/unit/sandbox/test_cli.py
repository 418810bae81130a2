"""Every command explains itself and answers machines."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sandbox.cli import cli
from sandbox.settings import Settings, variable


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


COMMANDS = sorted(commands())


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_every_promised_command_is_there() -> None:
    names = {" ".join(path) for path in COMMANDS}
    pipeline = {"lint", "run", "list", "show", "logs", "approve", "abort"}
    assert {"up", "down", "status", "logs", "env", "exec", "ca", "sync", "doctor"} <= names
    assert {f"pipeline {name}" for name in pipeline} <= names


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_command_has_help_and_json(path: tuple[str, ...]) -> None:
    text = run(*path, "--help")
    assert "--json" in text or path == ("serve",), "serve becomes its parts and says nothing"
    context = click.Context(cli)
    command = cli.get_command(context, path[0])
    for name in path[1:]:
        assert isinstance(command, click.Group)
        command = command.get_command(context, name)
    assert command is not None
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert command.help
    assert all(option.help for option in options), "every option says what it means"


def test_help_lists_commands_as_one_meets_them_and_the_exit_codes() -> None:
    text = run("--help")
    assert text.index("  up  ") < text.index("  env  ") < text.index("  pipeline  ")
    for code in ("0", "1", "2", "3", "4", "130"):
        assert f"\n    {code} " in text
    listing = text[text.index("Commands:") : text.index("Exit codes:")]
    assert "..." not in listing, "no line of the list is cut"


def test_environment_is_printed_for_eval(tmp_path: Path) -> None:
    rows = run("env").splitlines()
    assert all(row.startswith(("export ", "unset ")) for row in rows)
    assert any(row.startswith("export AWS_ENDPOINT_URL=http://127.0.0.1:") for row in rows)


def test_environment_is_quoted_for_the_shell(tmp_path: Path, home: Path) -> None:
    odd = tmp_path / "it's here"
    done = CliRunner().invoke(cli, ["env"], env={"SANDBOX_HOME": str(odd)})
    assert f"export SSL_CERT_FILE='{tmp_path}/it'\"'\"'s here/ca/bundle.pem'" in done.output


def test_settings_tell_where_their_values_come_from(home: Path) -> None:
    home.mkdir()
    (home / "started.json").write_text(json.dumps({"git_port": 5002}))
    rows = {row["name"]: row for row in json.loads(run("config", "--json"))}
    assert rows["SANDBOX_HOME"]["origin"] == "environment"
    assert (rows["SANDBOX_GIT_PORT"]["value"], rows["SANDBOX_GIT_PORT"]["origin"]) == (
        "5002",
        "start",
    )
    assert rows["SANDBOX_AWS_PORT"]["origin"] == "default"


def test_logs_show_the_last_lines_of_each_process(home: Path) -> None:
    (home / "log").mkdir(parents=True)
    (home / "log" / "aws.log").write_text("a1\na2\na3\n")
    (home / "log" / "git.log").write_text("g1\n")
    (home / "log" / "git.log.1").write_text("g0\n")
    assert run("logs", "-n", "2") == "aws       a2\naws       a3\ngit       g0\ngit       g1\n"
    assert json.loads(run("logs", "git", "-n", "1", "--json")) == {"process": "git", "line": "g1"}
