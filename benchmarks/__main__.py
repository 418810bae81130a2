"""Runs every benchmark against one fresh sandbox and records docs/benchmarks.md."""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import alb, engine, gateway, start, tasks, testing
from benchmarks.report import Section, write
from benchmarks.stand import Stand

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A tenth of the requests.")
    parser.add_argument("--output", type=Path, default=PAGE)
    arguments = parser.parse_args()
    share = 0.1 if arguments.quick else 1.0
    parts: list[Callable[[Stand, float], Section]] = [
        start.measure,
        gateway.measure,
        alb.measure,
        engine.measure,
        tasks.measure,
        testing.measure,
    ]
    sections = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Stand(Path(folder)) as stand:
        for part in parts:
            sys.stderr.write(f"- {part.__module__}\n")
            sections.append(part(stand, share))
    machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    write(arguments.output, sections, machine=machine, at=datetime.now(UTC))
    sys.stdout.write(arguments.output.read_text())


if __name__ == "__main__":
    main()
