"""Ends the steps that delegates leave running: processes and containers; nothing else.

A step outlives its delegate by design (`kill -9` of a delegate loses nothing), so `sandbox
down` has to end it. Each task folder of a delegate holds `pid`, process id and start time, and
`container` where the step may have one. A step that ends in time removes its own.
"""

import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from glob import escape
from pathlib import Path

from sandbox.errors import DependencyError
from sandbox.host import host_environment

_GRACE_S = 2.0
_LOOK_S = 0.05
_ENGINE_TIMEOUT_S = 20
_TASK_LABEL = "harness.delegate-task"
"""On a step's containers: the delegate task. The delegate gives it."""


def end_steps(delegate_dir: Path, name: str = "") -> None:
    """End every step process of the delegates that work in `delegate_dir`, and its children.

    Args:
        delegate_dir: the delegates' folder.
        name: only of the delegate of this name; others may be in other containers.
    """
    tasks = f"tasks/{escape(name) or '*'}/*"
    files = list(delegate_dir.glob(f"{tasks}/pid"))
    for number in (signal.SIGTERM, signal.SIGKILL):
        groups = [pid for pid in map(_step_pid, files) if pid]
        for pid in groups:
            os.killpg(pid, number)
        deadline = time.monotonic() + _GRACE_S
        while any(map(_step_pid, files)) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
    marks = {path: _task_id(path.parent) for path in delegate_dir.glob(f"{tasks}/container")}
    _end_containers(marks)


def _end_containers(marks: Mapping[Path, str]) -> None:
    """Remove what steps left that were killed before they could; `marks` tells their tasks."""
    if not marks:
        return
    from docker.errors import APIError

    from sandbox.container_engine import connect

    with suppress(DependencyError):  # an engine that is away runs nothing
        client = connect(host_environment(), timeout_s=_ENGINE_TIMEOUT_S)
        for mark, task_id in marks.items():
            label = f"{_TASK_LABEL}={task_id}"
            for container in client.containers.list(
                all=True, filters={"label": label}, ignore_removed=True
            ):
                with suppress(APIError):
                    container.remove(force=True, v=True)
            with suppress(APIError):
                client.networks.get(mark.read_text()).remove()


def _task_id(folder: Path) -> str:
    return str(json.loads((folder / "claim.json").read_text())["taskId"])


def _step_pid(path: Path) -> int:
    """Return the pid in `path` while the step lives; 0 when it ended or the pid is another's."""
    try:
        text, _, started = path.read_text().partition(" ")
        pid = int(text)
        os.kill(pid, 0)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return 0
    is_alive = fields[0] != "Z" and fields[19] == started
    return pid if is_alive else 0
