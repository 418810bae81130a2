"""Runs every benchmark against one fresh sandbox and records docs/benchmarks.md."""

import argparse
import contextlib
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import alb, engine, gateway, start, tasks, testing
from benchmarks.report import Section, page
from benchmarks.stand import Stand

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
ON_STAND: dict[str, Callable[[Stand, float], Section]] = {
    "start": start.measure,
    "gateway": gateway.measure,
    "alb": alb.measure,
    "engine": engine.measure,
    "tasks": tasks.measure,
}
ALONE: dict[str, Callable[[float], Section]] = {"testing": testing.measure}


def main() -> None:
    """Measure and record; exit 1 when a part could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A tenth of the requests.")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*ON_STAND, *ALONE],
        help="Measure these parts and print them; the page is not written.",
    )
    parser.add_argument("--output", type=Path, default=PAGE)
    arguments = parser.parse_args()
    wanted = arguments.only or [*ON_STAND, *ALONE]
    share = 0.1 if arguments.quick else 1.0
    done = dict(_sections(wanted, share))
    machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    text = page([done[name] for name in wanted if name in done], machine, datetime.now(UTC))
    if not arguments.only:
        arguments.output.write_text(text)
    sys.stdout.write(text)
    sys.exit(0 if len(done) == len(wanted) else 1)


def _sections(wanted: list[str], share: float) -> Iterator[tuple[str, Section]]:
    with contextlib.ExitStack() as stack:
        if ON_STAND.keys() & set(wanted):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
            stand = stack.enter_context(Stand(Path(folder)))
        for name, part in ON_STAND.items():
            if name in wanted:
                yield from _measured(name, partial(part, stand, share))
    # After the stand is gone: it would take part of the machine.
    for name, alone in ALONE.items():
        if name in wanted:
            yield from _measured(name, partial(alone, share))


def _measured(name: str, measure: Callable[[], Section]) -> Iterator[tuple[str, Section]]:
    begun = time.monotonic()
    sys.stderr.write(f"- {name} ...")
    try:
        section = measure()
    except Exception:  # noqa: BLE001  one part that fails must not lose the others
        sys.stderr.write(" could not be measured; it is left out:\n")
        traceback.print_exc()
        return
    sys.stderr.write(f" {time.monotonic() - begun:.0f} s\n")
    yield name, section


if __name__ == "__main__":
    main()
