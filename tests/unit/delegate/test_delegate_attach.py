"""What a task's folder tells about its process."""

import json
import os
from pathlib import Path

import pytest

from fake_harness.delegate.attach import (
    Attachment,
    attachment_of,
    is_alive,
    left_behind,
    process_start,
)

DEAD = "999999999 1"


@pytest.fixture
def task(tmp_path: Path) -> Attachment:
    made = attachment_of(tmp_path, "a/b")
    made.folder.mkdir()
    return made


def live() -> str:
    return f"{os.getpid()} {process_start(os.getpid())}"


def test_a_task_id_is_one_folder(tmp_path: Path) -> None:
    assert attachment_of(tmp_path, "a/b").folder == tmp_path / "a_b"


def test_a_reused_pid_is_not_taken_for_the_step(task: Attachment) -> None:
    (task.folder / "pid").write_text(live())
    assert is_alive(task.folder)
    (task.folder / "pid").write_text(f"{os.getpid()} 1")
    assert not is_alive(task.folder)
    task.stop()  # does not end this process


def test_a_running_step_has_no_result(task: Attachment) -> None:
    (task.folder / "pid").write_text(live())
    assert task.result() is None


def test_a_result_is_read_whoever_lives(task: Attachment) -> None:
    task.result_file.write_text('{"status": "FAILED"}')
    assert task.result() == {"status": "FAILED"}


def test_a_lost_step_is_errored_and_hands_on_its_rollback_data(task: Attachment) -> None:
    (task.folder / "pid").write_text(DEAD)
    (task.folder / "rollback.json").write_text('{"serviceName": "web"}')
    result = task.result()
    assert result is not None
    assert (result["status"], result["rollbackData"]) == ("ERRORED", {"serviceName": "web"})


def test_a_stopped_step_is_aborted_even_without_a_result(task: Attachment) -> None:
    (task.folder / "pid").write_text(DEAD)
    task.stop()
    result = task.result()
    assert result is not None
    assert result["status"] == "ABORTED"


def test_progress_carries_what_a_rollback_will_need(task: Attachment) -> None:
    assert task.progress() is None
    (task.folder / "progress.json").write_text('{"unitProgresses": []}')
    assert task.progress() == {"unitProgresses": []}
    (task.folder / "rollback.json").write_text('{"a": 1}')
    assert task.progress() == {"unitProgresses": [], "rollbackData": {"a": 1}}


def test_only_steps_that_got_their_package_are_adopted(tmp_path: Path) -> None:
    for name, has_started in (("one", True), ("two", False)):
        folder = tmp_path / name
        folder.mkdir()
        claim = {"taskId": f"id/{name}", "logBaseKey": f"key/{name}"}
        (folder / "claim.json").write_text(json.dumps(claim))
        (folder / "pid").write_text(DEAD)
        if has_started:
            (folder / "started").touch()
    (tmp_path / "empty").mkdir()
    found = list(left_behind(tmp_path))
    assert [(a.task_id, a.log_base_key) for a in found] == [("id/one", "key/one")]
