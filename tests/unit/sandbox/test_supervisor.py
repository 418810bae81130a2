"""Process definitions survive any character; readiness is asked, not assumed."""

import subprocess
from pathlib import Path

import pytest
from supervisor.options import UnhosedConfigParser

from sandbox.errors import UsageError
from sandbox.supervisor import ProcessSpec, Supervisor, configuration, launch_script

NASTY = "50 % off; \"quoted\", 'single' # no comment\n$HOME `id` \\ é"


def test_values_reach_the_process_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s a %(folder)s; "x"'
    folder.mkdir()
    command = ("python3", "-c", "import os,sys; print(os.environ['V'], sys.argv[1], os.getcwd())")
    spec = ProcessSpec(name="p", command=(*command, NASTY), env={"V": NASTY})
    done = subprocess.run(
        ["sh", "-c", launch_script(spec, folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{NASTY} {NASTY} {folder}\n"
    assert (folder / "p.pid").read_text().strip().isdigit()


def test_variables_of_the_shell_are_taken_away(tmp_path: Path) -> None:
    spec = ProcessSpec(name="p", command=("env",), env={"KEPT": "1"}, unset=("AWS_PROFILE",))
    done = subprocess.run(
        ["sh", "-c", launch_script(spec, tmp_path)],
        env={"AWS_PROFILE": "work", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "KEPT=1\n" in done.stdout
    assert "AWS_PROFILE" not in done.stdout


def test_configuration_holds_nothing_of_the_users() -> None:
    spec = ProcessSpec(name="aws", command=("x", NASTY), env={"V": NASTY}, stop_timeout_s=7)
    parser = UnhosedConfigParser()
    parser.read_string(configuration((spec,)))
    program = dict(parser.items("program:aws"))
    assert program["command"] == "/bin/sh aws.sh"
    assert program["stopwaitsecs"] == "7"
    assert NASTY not in configuration((spec,))


def test_too_long_a_path_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 100)
    with pytest.raises(UsageError, match="too long for a Unix socket") as refused:
        Supervisor(home, home / "log")
    assert "SANDBOX_HOME" in refused.value.hint
    assert not home.exists()


def test_nothing_runs_in_an_empty_folder(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, tmp_path / "log")
    assert not supervisor.is_running()
    assert supervisor.status() == ()
    supervisor.stop()
