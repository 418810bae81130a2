"""Start to ready, and memory at rest."""

from pathlib import Path

from benchmarks.report import Section
from benchmarks.stand import Stand


def measure(stand: Stand, share: float) -> Section:
    """Start the sandbox again from its state, then weigh its processes."""
    del share
    stand.command("down")
    stand.start()
    rows = []
    total = 0.0
    pids = {process["name"]: int(process["pid"]) for process in stand.status()["processes"]}
    for name, pid in pids.items():
        megabytes = sum(_private_mb(pid) for pid in _tree(pid))
        total += megabytes
        rows.append((name, f"{megabytes:.0f} MB"))
    megabytes = _private_mb(int((stand.state / "supervisor.pid").read_text()))
    total += megabytes
    rows.append(("supervisor", f"{megabytes:.0f} MB"))
    rows.append(("all (aim: below 400 MB)", f"{total:.0f} MB"))
    first, again = stand.up_seconds[:2]
    rows.append(("`sandbox up` to ready, empty state (aim: 5 s)", f"{first:.1f} s"))
    rows.append(("`sandbox up` to ready, again", f"{again:.1f} s"))
    about = "Proportional set size of each process with its children, right after start."
    return Section("Start and rest", about, ("what", "measured"), rows)


def _tree(pid: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return [pid, *(grand for child in children for grand in _tree(child))]


def _private_mb(pid: int) -> float:
    """Return the proportional set size: shared pages count once over all sharers."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0
