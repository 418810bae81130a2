"""A project of somebody else's: files in a folder, and pytest run on them as its owner would."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "testing.md"
_FENCE = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

HELLO = '''
PIPELINE = """
pipeline:
  identifier: hello
  name: hello
  variables:
    - {name: script, type: String, value: <+input>}
  stages:
    - stage:
        identifier: s
        name: s
        type: Custom
        spec:
          execution:
            steps:
              - step:
                  identifier: say
                  name: say
                  type: ShellScript
                  timeout: 1m
                  spec:
                    shell: Bash
                    onDelegate: true
                    source: {type: Inline, spec: {script: "<+pipeline.variables.script>"}}
                    outputVariables: [{name: word, type: String, value: WORD}]
"""
'''
"""The text of a test module that has a pipeline of one script, `hello`."""


@dataclass(frozen=True)
class Outcome:
    """What a test run said."""

    code: int
    output: str
    tests: Mapping[str, str] = field(default_factory=dict)
    """Name of each test to PASSED, FAILED, ERROR or SKIPPED."""


def pytest_run(folder: Path, *arguments: str, **variables: str) -> Outcome:
    """Run pytest with the plugin in `folder`, without anything of this project's own."""
    foreign = ("AWS_", "SANDBOX_", "HARNESS_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    command = [sys.executable, "-m", "pytest", "-p", "sandbox.testing", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-rA", "--rootdir", str(folder), *arguments],
        cwd=folder,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    rows = re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED) \S*::(\S+)", done.stdout, re.MULTILINE)
    return Outcome(
        code=done.returncode,
        output=done.stdout + done.stderr,
        tests={name: status for status, name in rows},
    )


def write(folder: Path, **files: str) -> Path:
    """Write test files, by name without `.py`."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def examples(page: Path = PAGE) -> dict[str, str]:
    """Return the files that a page shows: name to text, of the fences that name one."""
    return dict(_FENCE.findall(page.read_text()))


def write_examples(folder: Path) -> Path:
    """Write every file of docs/testing.md, as a reader would."""
    for name, text in examples().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
