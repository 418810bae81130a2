"""JUnit reports that a step names: counted for its outcome and its log."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import JsonObject

_COUNTS = ("tests", "failures", "errors", "skipped")


def read_reports(context: StepContext) -> JsonObject:
    """Return `{testReport: {tests, failures, errors, skipped, seconds}}`, or nothing.

    A path is relative to the workspace and may hold `*` and `**`.
    """
    spec = context.mapping("reports").get("spec")
    paths = spec.get("paths") if isinstance(spec, Mapping) else None
    if not isinstance(paths, list):
        return {}
    files = [found for pattern in paths for found in _expand(context.workspace, str(pattern))]
    if not files:
        context.log(f"No test report matches {', '.join(map(str, paths))}.", level="WARN")
        return {}
    report: dict[str, float] = dict.fromkeys((*_COUNTS, "seconds"), 0)
    for path in files:
        _add(report, path)
    context.log(
        f"Tests: {report['tests']:.0f} run, {report['failures']:.0f} failed, "
        f"{report['errors']:.0f} in error, {report['skipped']:.0f} skipped."
    )
    return {"testReport": {k: v if k == "seconds" else int(v) for k, v in report.items()}}


def _expand(workspace: Path, pattern: str) -> list[Path]:
    inside = pattern.removeprefix("/harness/").lstrip("/")
    return sorted(path for path in workspace.glob(inside) if path.is_file())


def _add(report: dict[str, float], path: Path) -> None:
    try:
        root = ET.parse(path).getroot()  # noqa: S314  (written by the user's own tests)
    except ET.ParseError:
        return
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
    for suite in suites:
        for name in _COUNTS:
            report[name] += int(float(suite.get(name) or 0))
        report["seconds"] += float(suite.get("time") or 0)
