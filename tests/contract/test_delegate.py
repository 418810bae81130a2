"""The delegate against a manager: attach after kill -9, abort, masking, logs, dead steps."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from delegate_manager import Delegate, FakeManager, delegate_before_manager
from patience import eventually
from process_table import is_gone

MARKER = '${ngSecretManager.obtain("account.token", 0)}'
COUNTED = """
echo run >> "{folder}/runs"
for i in $(seq 1 {lines}); do echo "line $i"; done
until [ -e "{folder}/go" ]; do sleep 0.05; done
for i in $(seq 1 {lines}); do echo "more $i"; done
export ANSWER=42
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeManager, Delegate]]:
    with delegate_before_manager(tmp_path_factory.mktemp("one")) as made:
        yield made


@pytest.fixture
def manager(pair: tuple[FakeManager, Delegate]) -> FakeManager:
    return pair[0]


@pytest.fixture
def delegate(pair: tuple[FakeManager, Delegate]) -> Delegate:
    """One that lives; a test that killed it has started it again."""
    return pair[1]


@pytest.fixture
def task(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).translate(str.maketrans("[]", "--"))


def counted(folder: Path, lines: int) -> str:
    return COUNTED.replace("{lines}", str(lines)).replace("{folder}", str(folder))


def test_a_script_runs_and_its_outputs_come_back(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    outputs = [
        {"name": "version", "type": "String", "value": "VERSION"},
        {"name": "notes", "type": "String", "value": "NOTES"},
        {"name": "key", "type": "Secret", "value": "KEY"},
        {"name": "absent", "type": "String", "value": "ABSENT"},
    ]
    text = "false\nexport VERSION=1.2\nNOTES=$'two\\nlines'\nKEY=k1\necho done"
    manager.script(task, text, outputs=outputs)
    result = manager.result(task)
    assert result["status"] == "SUCCEEDED"
    assert result["outputVariables"] == {"version": "1.2", "notes": "two\nlines", "key": "k1"}
    assert result["secretOutputs"] == ["key"]
    assert manager.lines(task) == ["done"]
    assert f"log/{task}-commandUnit:Execute" in manager.closed
    units = manager.progress[task][-1]["unitProgresses"]
    assert [(u["unitName"], u["status"]) for u in units] == [("Execute", "SUCCESS")]


def test_a_failed_script_names_its_exit_code(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    manager.script(task, "echo before; exit 3")
    result = manager.result(task)
    assert result["status"] == "FAILED"
    assert result["failure"]["message"] == "Command execution failed with exit code 3: before"
    assert manager.lines(task)[0] == "before"


def test_files_of_a_step_can_be_read_by_the_user_of_an_image_made_of_them(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    manager.script(task, "umask 022 && touch before && umask 077\n")
    manager.script(task, "umask")
    assert manager.result(task)["status"] == "SUCCEEDED"
    assert manager.lines(task) == ["0022"], "whatever the delegate itself was started with"


def test_secret_values_reach_the_script_and_never_the_log_or_the_disk(
    manager: FakeManager, delegate: Delegate, tmp_path: Path, task: str
) -> None:
    text = (
        f"until [ -e {tmp_path}/go ]; do sleep 0.05; done\n"
        f"secret='{MARKER}'\n"
        'echo "length ${#secret}"\necho "it is $secret."\necho "$secret" | cut -d- -f1\n'
    )
    manager.script(task, text, secrets={MARKER: "open-sesame-1"})
    delegate.step_pid(task)
    left = [p for p in delegate.folder.rglob("*") if p.is_file()]
    assert [p for p in left if b"open-sesame-1" in p.read_bytes()] == []
    (tmp_path / "go").touch()
    assert manager.result(task)["status"] == "SUCCEEDED"
    assert manager.lines(task) == ["length 13", "it is **************.", "open"]
    assert "open-sesame" not in str(manager.logs)


@pytest.mark.parametrize("lines", [1, 700])
def test_after_kill_9_of_the_delegate_a_step_runs_once_and_no_line_is_lost_or_doubled(
    manager: FakeManager, delegate: Delegate, tmp_path: Path, lines: int, task: str
) -> None:
    outputs = [{"name": "answer", "type": "String", "value": "ANSWER"}]
    manager.script(task, counted(tmp_path, lines), outputs=outputs)
    eventually(lambda: len(manager.lines(task)) >= lines, "the first half of the log")
    delegate.kill()
    lives = manager.registrations
    delegate.start()
    eventually(lambda: manager.registrations > lives, "the delegate is back")
    (tmp_path / "go").touch()
    result = manager.result(task)
    assert (result["status"], result["outputVariables"]) == ("SUCCEEDED", {"answer": "42"})
    numbers = range(1, lines + 1)
    assert manager.lines(task) == [
        *[f"line {i}" for i in numbers],
        *[f"more {i}" for i in numbers],
    ]
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_step_that_ends_while_no_delegate_lives_is_reported_by_the_next_one(
    manager: FakeManager, delegate: Delegate, tmp_path: Path, task: str
) -> None:
    manager.script(task, counted(tmp_path, 3))
    eventually(lambda: len(manager.lines(task)) >= 3, "the first half of the log")
    pid = delegate.step_pid(task)
    delegate.kill()
    (tmp_path / "go").touch()
    eventually(lambda: is_gone(pid), "the step has ended")
    delegate.start()
    assert manager.result(task)["status"] == "SUCCEEDED"
    assert manager.lines(task)[-1] == "more 3"
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_manager_that_is_away_delays_and_loses_nothing(
    manager: FakeManager, delegate: Delegate, tmp_path: Path, task: str
) -> None:
    manager.script(task, counted(tmp_path, 3))
    eventually(lambda: len(manager.lines(task)) >= 3, "the first half of the log")
    pid = delegate.step_pid(task)
    manager.stop()
    (tmp_path / "go").touch()
    eventually(lambda: is_gone(pid), "the step has ended")
    manager.start()
    assert manager.result(task)["status"] == "SUCCEEDED"
    assert len(manager.lines(task)) == 6


def test_abort_ends_the_whole_process_group(
    manager: FakeManager, delegate: Delegate, tmp_path: Path, task: str
) -> None:
    text = f"sleep 300 & echo $! > {tmp_path}/child; echo ready; wait"
    manager.script(task, text)
    eventually(lambda: manager.lines(task) == ["ready"], "the script is under way")
    child = int((tmp_path / "child").read_text())
    manager.aborts.add(task)
    assert manager.result(task)["status"] == "ABORTED"
    eventually(lambda: is_gone(child), "the script's child is gone")


def test_abort_ends_a_script_that_ignores_sigterm(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    manager.script(task, "trap '' TERM\necho ready\nwhile true; do sleep 1; done")
    eventually(lambda: manager.lines(task) == ["ready"], "the script is under way")
    pid = delegate.step_pid(task)
    before = manager.polls
    manager.aborts.add(task)
    assert manager.result(task)["status"] == "ABORTED"
    assert is_gone(pid)
    assert manager.polls - before < 120, "an abort under way must not make the delegate spin"


def test_an_abort_reaches_a_step_of_an_earlier_life(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    manager.script(task, "echo ready; sleep 300")
    eventually(lambda: manager.lines(task) == ["ready"], "the script is under way")
    pid = delegate.step_pid(task)
    delegate.kill()
    manager.aborts.add(task)
    delegate.start()
    assert manager.result(task)["status"] == "ABORTED"
    assert is_gone(pid)


def test_an_abort_of_a_task_that_never_began_here_is_answered(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    manager.aborts.add(task)
    assert manager.result(task)["status"] == "ABORTED"


def test_a_dead_step_process_ends_as_errored_and_is_not_run_again(
    manager: FakeManager, delegate: Delegate, tmp_path: Path, task: str
) -> None:
    manager.script(task, counted(tmp_path, 1))
    eventually(lambda: manager.lines(task) == ["line 1"], "the script is under way")
    os.killpg(delegate.step_pid(task), signal.SIGKILL)
    result = manager.result(task)
    assert result["status"] == "ERRORED"
    assert result["failure"]["failureTypes"] == ["DELEGATE_RESTART"]
    assert (tmp_path / "runs").read_text() == "run\n"


def test_what_a_script_leaves_in_the_background_neither_delays_nor_survives_it(
    manager: FakeManager, delegate: Delegate, tmp_path: Path, task: str
) -> None:
    manager.script(task, f"sleep 300 & echo $! > {tmp_path}/child; echo done")
    assert manager.result(task)["status"] == "SUCCEEDED"
    assert manager.lines(task) == ["done"]
    child = int((tmp_path / "child").read_text())
    eventually(lambda: is_gone(child), "the script's child is gone")


def test_a_run_step_stops_at_the_first_failed_command(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    manager.add(task, "Run", params={"command": "echo one\nfalse\necho two", "shell": "Sh"})
    assert manager.result(task)["status"] == "FAILED"
    assert manager.lines(task, unit="")[:1] == ["one"]
    assert "two" not in manager.lines(task, unit="")


def test_a_run_step_works_in_the_stages_workspace_and_leaves_outputs(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    command = 'echo hi > file; pwd; echo "$HARNESS_WORKSPACE"; echo EXTRA=7 >> "$DRONE_OUTPUT"; V=1'
    outputs = [{"name": "V", "type": "String"}]
    manager.add(
        task,
        "Run",
        params={"command": command, "outputVariables": outputs},
        env={"HARNESS_WORKSPACE": "/harness"},
    )
    assert manager.result(task)["outputVariables"] == {"EXTRA": "7", "V": "1"}
    workspace = str(delegate.folder / "workspaces" / "stage-1")
    assert manager.lines(task, unit="") == [workspace, workspace]
    manager.add(task + "2", "Run", params={"command": "cat file"})
    manager.result(task + "2")
    assert manager.lines(task + "2", unit="") == ["hi"]


def test_an_http_step_reports_any_answer_and_fails_without_one(
    manager: FakeManager, delegate: Delegate, task: str
) -> None:
    manager.add(task, "Http", params={"url": f"{manager.url}/nothing", "method": "get"})
    outputs = manager.result(task)["outputs"]
    assert (outputs["httpResponseCode"], outputs["httpResponseBody"]) == (401, "no")
    manager.add(task + "2", "Http", params={"url": "http://127.0.0.1:1/", "method": "GET"})
    failure = manager.result(task + "2")["failure"]
    assert failure["failureTypes"] == ["CONNECTIVITY"]
    assert "refused" in failure["message"]


@pytest.mark.parametrize(
    ("task_type", "params", "message"),
    [
        ("Nothing", {}, "cannot run step type [Nothing]"),
        ("ShellScript", {"source": {"type": "Harness"}}, "NotImplemented"),
        (
            "BuildAndPushECR",
            {"account": "1", "region": "r", "imageName": "i", "tags": ["t"]},
            "FAKE_HARNESS_IMAGE_BUILDER names no command",
        ),
    ],
)
def test_what_is_not_built_says_so(
    manager: FakeManager,
    delegate: Delegate,
    task_type: str,
    params: dict[str, object],
    message: str,
    task: str,
) -> None:
    manager.add(task, task_type, params=params)
    result = manager.result(task)
    assert result["status"] == "FAILED"
    assert message in result["failure"]["message"]
