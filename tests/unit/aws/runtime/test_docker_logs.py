"""Followers copy each message once, whoever copied before them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.aws.runtime.docker.logs import LogFiles, log_record

MESSAGES = [b"2026-11-23T19:30:0%d.5Z line %d\n" % (n, n) for n in range(5)]


class Engine:
    """Answers as the engine does: always from the first message on."""

    def __init__(self, breaks_after: int | None = None) -> None:
        self.breaks_after = breaks_after

    def logs(self, _container: str, **_: object) -> Iterator[bytes]:
        for number, message in enumerate(MESSAGES):
            if number == self.breaks_after:
                raise OSError("the engine went away")
            yield message


def texts(files: LogFiles, offset: int = 0) -> list[str]:
    return [line.message for line in files.page("c1", offset, ended=True).lines]


def test_follower_that_the_engine_left_goes_on_where_it_was(tmp_path: Path) -> None:
    engine = Engine(breaks_after=2)
    files = LogFiles(engine, tmp_path)
    assert texts(files) == ["line 0", "line 1"]
    engine.breaks_after = None
    assert texts(files) == [f"line {n}" for n in range(5)]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_file_that_a_crash_cut_anywhere_is_made_whole(tmp_path: Path, cut: int) -> None:
    texts(LogFiles(Engine(), tmp_path))
    whole = (tmp_path / "c1.log").read_bytes()
    (tmp_path / "c1.log").write_bytes(whole[:-cut])
    texts(LogFiles(Engine(), tmp_path))
    assert (tmp_path / "c1.log").read_bytes() == whole


def test_offsets_stay_true_across_followers(tmp_path: Path) -> None:
    first = LogFiles(Engine(breaks_after=3), tmp_path).page("c1", 0, ended=True)
    second = LogFiles(Engine(), tmp_path).page("c1", first.next_offset, ended=True)
    assert [line.message for line in (*first.lines, *second.lines)] == [
        f"line {n}" for n in range(5)
    ]
    assert first.lines[0].timestamp_ms == 1795462200500


@pytest.mark.parametrize(
    ("message", "record"),
    [
        (b"2026-11-23T19:30:00.123456789Z plain\n", b"1795462200123 plain\n"),
        (b"2026-11-23T19:30:00Z \n", b"1795462200000 \n"),
        (b"2026-11-23T19:30:00Z windows\r\n", b"1795462200000 windows\n"),
        (b"2026-11-23T19:30:00Z a piece", b"1795462200000 a piece\n"),
    ],
)
def test_message_is_one_line_of_the_file(message: bytes, record: bytes) -> None:
    assert log_record(message) == record


def test_files_of_containers_that_are_gone_are_deleted(tmp_path: Path) -> None:
    files = LogFiles(Engine(), tmp_path)
    texts(files)
    (tmp_path / "gone.log").write_text("1 x\n")
    files.keep({"c1"})
    assert [path.name for path in tmp_path.iterdir()] == ["c1.log"]
    files.discard("c1")
    assert list(tmp_path.iterdir()) == []
