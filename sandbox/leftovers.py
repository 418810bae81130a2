"""Ends the step processes that delegates leave running; nothing else.

A step outlives its delegate by design (`kill -9` of a delegate loses nothing), so `sandbox
down` has to end it. Each task folder of a delegate holds `pid`: process id and start time.
"""

import os
import signal
import time
from pathlib import Path

_GRACE_S = 2.0
_LOOK_S = 0.05


def end_steps(delegate_dir: Path) -> None:
    """End every step process of the delegates that work in `delegate_dir`, and its children."""
    files = list(delegate_dir.glob("tasks/*/*/pid"))
    for number in (signal.SIGTERM, signal.SIGKILL):
        groups = [pid for pid in map(_step_pid, files) if pid]
        for pid in groups:
            os.killpg(pid, number)
        deadline = time.monotonic() + _GRACE_S
        while any(map(_step_pid, files)) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)


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
