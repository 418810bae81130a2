"""Lints pipeline files with no service running: `python -m fake_harness.lint_main FILE...`."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from fake_harness.errors import SchemaProblem, YamlInvalidError
from fake_harness.pipeline.lint import lint_pipeline
from fake_harness.pipeline.yaml_source import load_yaml


def problems_of(path: Path) -> list[SchemaProblem]:
    """Return every problem of one file."""
    try:
        text = path.read_text()
    except OSError as error:
        return [SchemaProblem(message=f"cannot be read: {error.strerror}", yaml_path=str(path))]
    try:
        return list(lint_pipeline(load_yaml(text, file=str(path))))
    except YamlInvalidError as error:
        return list(error.problems)


def main() -> None:
    """Print the problems of every file; exit 1 when one is an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = {path: problems_of(path) for path in arguments.files}
    if arguments.json:
        rows = [
            {"file": str(path), **asdict(p)} for path, problems in found.items() for p in problems
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        for path, problems in found.items():
            _print(path, problems)
    sys.exit(any(p.severity == "ERROR" for rows in found.values() for p in rows))


def _print(path: Path, rows: list[SchemaProblem]) -> None:
    if not rows:
        sys.stdout.write(f"{path}: ok\n")
    for problem in rows:
        line = f":{problem.line}" if problem.line else ""
        place = f"{path}{line}: {problem.yaml_path}"
        sys.stdout.write(f"{problem.severity.lower()}: {place}: {problem.message}\n")
        if problem.hint:
            sys.stdout.write(f"  hint: {problem.hint}\n")


if __name__ == "__main__":
    main()
