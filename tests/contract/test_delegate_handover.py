"""A delegate that dies while it hands a step over: the step is begun once, by the next one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from patience import eventually

from fake_harness.delegate.attach import Attachment, ensure, left_behind, process_start
from fake_harness.delegate.context import DelegateFacts


def handover(folder: Path) -> dict[str, object]:
    facts = DelegateFacts(
        work_dir=folder, image_builder="", time_scale=1, environment=dict(os.environ)
    )
    package = {
        "taskId": "t1",
        "taskType": "Run",
        "params": {"command": f"echo ran >> {folder}/runs"},
        "logBaseKey": "log/t1",
        "timeoutSeconds": 60,
    }
    return {"package": package, "facts": facts.wire()}


def await_result(attachment: Attachment) -> dict[str, object]:
    return dict(eventually(attachment.result, "the step's result") or {})


@pytest.mark.parametrize("sent", [0, 1, 40])
def test_a_package_that_arrived_in_part_begins_nothing(tmp_path: Path, sent: int) -> None:
    folder = tmp_path / "tasks" / "t1"
    folder.mkdir(parents=True)
    (folder / "claim.json").write_text('{"taskId": "t1", "logBaseKey": null}')
    cut_off = json.dumps(handover(tmp_path)).encode()[:sent]
    child = subprocess.Popen(
        [sys.executable, "-m", "fake_harness.delegate.step_process", folder],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    (folder / "pid").write_text(f"{child.pid} {process_start(child.pid)}")
    assert child.stdin is not None
    child.stdin.write(cut_off)
    child.stdin.close()
    attachment = ensure(tmp_path / "tasks", "t1", handover(tmp_path))
    assert await_result(attachment)["status"] == "SUCCEEDED"
    assert (tmp_path / "runs").read_text() == "ran\n"
    child.wait()


def test_ensuring_twice_begins_once(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    first = ensure(tasks, "t1", handover(tmp_path))
    await_result(first)
    again = ensure(tasks, "t1", handover(tmp_path))
    assert await_result(again)["status"] == "SUCCEEDED"
    assert (tmp_path / "runs").read_text() == "ran\n"
    assert [a.log_base_key for a in left_behind(tasks)] == ["log/t1"]
    again.forget()
    assert list(left_behind(tasks)) == []


def test_a_step_that_was_killed_before_it_ended_is_not_begun_again(tmp_path: Path) -> None:
    wanted = handover(tmp_path)
    package = wanted["package"]
    assert isinstance(package, dict)
    package["params"] = {"command": f"echo ran >> {tmp_path}/runs; sleep 300"}
    attachment = ensure(tmp_path / "tasks", "t1", wanted)
    eventually((tmp_path / "runs").exists, "the step runs")
    pid = int((attachment.folder / "pid").read_text().split()[0])
    os.killpg(pid, signal.SIGKILL)
    again = ensure(tmp_path / "tasks", "t1", handover(tmp_path))
    assert await_result(again)["status"] == "ERRORED"
    assert (tmp_path / "runs").read_text() == "ran\n"
