"""Logs are followed across their rotation."""

from pathlib import Path

from sandbox.tail import LogTail


def append(path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)


def test_past_lines_include_the_rotated_file(tmp_path: Path) -> None:
    log = tmp_path / "aws.log"
    (tmp_path / "aws.log.1").write_text("one\ntwo\n")
    log.write_text("three\n")
    assert LogTail(log).past(2) == ["two", "three"]
    assert LogTail(log).past(50) == ["one", "two", "three"]
    assert LogTail(log).past(0) == []


def test_only_whole_fresh_lines_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "aws.log"
    log.write_text("old\n")
    tail = LogTail(log)
    tail.past(1)
    append(log, "a\nb")
    assert tail.fresh() == ["a"]
    append(log, "c\n")
    assert tail.fresh() == ["bc"]
    assert tail.fresh() == []


def test_nothing_is_lost_when_the_log_is_rotated(tmp_path: Path) -> None:
    log = tmp_path / "aws.log"
    log.write_text("old\n")
    tail = LogTail(log)
    tail.past(1)
    append(log, "before\n")
    log.rename(tmp_path / "aws.log.1")
    log.write_text("after\n")
    assert tail.fresh() == ["before", "after"]


def test_log_that_was_emptied_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "aws.log"
    log.write_text("a long old line\n")
    tail = LogTail(log)
    tail.past(1)
    log.write_text("new\n")
    assert tail.fresh() == ["new"]


def test_log_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / "later.log")
    assert tail.past(5) == []
    append(tmp_path / "later.log", "now\n")
    assert tail.fresh() == ["now"]
