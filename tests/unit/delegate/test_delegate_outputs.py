"""Output variables and test reports that a step leaves in files."""

from pathlib import Path

from fake_harness.delegate.context import DelegateFacts, StepContext
from fake_harness.delegate.junit import read_reports
from fake_harness.delegate.shell import read_declared, read_outputs

REPORT = """<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1" time="0.5"/>
<testsuite tests="1" failures="0" errors="1" skipped="0" time="0.25"/></testsuites>"""


def test_dotenv_lines_are_read_and_a_later_one_wins(tmp_path: Path) -> None:
    file = tmp_path / "output.env"
    file.write_text("A=1\nB=x=y\nno separator\n=nameless\nA=2\nEMPTY=\n")
    assert read_outputs(file) == {"A": "2", "B": "x=y", "EMPTY": ""}


def test_declared_values_keep_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "declared"
    assert read_declared(file) == {}
    file.write_bytes(b"A=one\ntwo\0B=\0C=cut off")
    assert read_declared(file) == {"A": "one\ntwo", "B": ""}


def context(tmp_path: Path, *patterns: str) -> StepContext:
    facts = DelegateFacts(work_dir=tmp_path, image_builder="", time_scale=1, environment={})
    reports = {"type": "JUnit", "spec": {"paths": list(patterns)}}
    return StepContext({"taskId": "t", "params": {"reports": reports}}, tmp_path, facts)


def test_junit_reports_are_added_up(tmp_path: Path) -> None:
    made = context(tmp_path, "**/report*.xml")
    (made.workspace / "a").mkdir()
    (made.workspace / "a" / "report.xml").write_text(REPORT)
    (made.workspace / "report2.xml").write_text('<testsuite tests="2" time="1"/>')
    (made.workspace / "report3.xml").write_text("cut off <")
    assert read_reports(made) == {
        "testReport": {"tests": 6, "failures": 1, "errors": 1, "skipped": 1, "seconds": 1.75}
    }
    made.close()


def test_a_report_that_is_missing_is_no_failure(tmp_path: Path) -> None:
    made = context(tmp_path, "nothing.xml")
    assert read_reports(made) == {}
    made.close()
