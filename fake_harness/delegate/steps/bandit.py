"""The STO `Bandit` step in orchestration mode: really scans, fails on the severity asked for.

Run twice: scans again. Source: STO Bandit scanner reference; `advanced.fail_on_severity`.
"""

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError, StepResult

_ORDER = ("none", "low", "medium", "high", "critical")


def bandit(context: StepContext) -> StepResult:
    """Scan the target's workspace and count the issues by severity."""
    mode = context.text("mode", "orchestration")
    if mode != "orchestration":
        raise StepFailedError(f"NotImplemented: Bandit in mode [{mode}].")
    folder = _target(context)
    report = _scan(context, folder)
    results = report.get("results")
    issues = results if isinstance(results, list) else []
    counts = dict.fromkeys(_ORDER[1:], 0)
    for issue in issues:
        severity = str(issue.get("issue_severity", "")).lower()
        counts[severity] = counts.get(severity, 0) + 1
        place = f"{issue.get('filename')}:{issue.get('line_number')}"
        context.log(
            f"{severity.upper():8} {issue.get('test_id')} {place} {issue.get('issue_text')}"
        )
    context.log(", ".join(f"{level}: {count}" for level, count in counts.items()))
    variables = {level.upper(): str(count) for level, count in counts.items()}
    threshold = _threshold(context)
    worst = [name for name in _ORDER[_ORDER.index(threshold) :] if counts.get(name)]
    if threshold != "none" and worst:
        found = ", ".join(f"{counts[name]} {name}" for name in worst)
        error = StepFailedError(f"Bandit found {found}; fail_on_severity is {threshold}.")
        error.outputs = {"outputVariables": variables}
        raise error
    return StepResult(output_variables=variables)


def _target(context: StepContext) -> Path:
    workspace = str(context.mapping("target").get("workspace") or "")
    folder = context.inside(workspace)
    if not folder.is_dir():
        raise StepFailedError(f"Scan target [{workspace}] is no folder of the workspace.")
    return folder


def _scan(context: StepContext, folder: Path) -> Mapping[str, object]:
    advanced = context.mapping("advanced").get("args")
    extra = advanced.get("cli") if isinstance(advanced, Mapping) else None
    output = context.task_dir / "bandit.json"
    command = ["bandit", "-q", "-r", ".", "-f", "json", "-o", str(output), "--exit-zero"]
    command += shlex.split(str(extra)) if extra else ["-x", "./tests,./.venv,./node_modules"]
    context.log(f"+ {' '.join(command)} (in {folder.name})")
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=dict(context.facts.environment),
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise StepFailedError("The delegate's host lacks the program bandit.") from error
    if done.returncode != 0 or not output.exists():
        raise StepFailedError(f"bandit failed: {done.stderr.strip() or done.stdout.strip()}")
    report = json.loads(output.read_text())
    return report if isinstance(report, dict) else {}


def _threshold(context: StepContext) -> str:
    value = str(context.mapping("advanced").get("fail_on_severity") or "none").lower()
    if value not in _ORDER:
        raise StepFailedError(f"fail_on_severity [{value}] is not one of {', '.join(_ORDER)}.")
    return value
