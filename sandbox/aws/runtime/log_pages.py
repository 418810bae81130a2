"""Reads log files whose lines are `<ms> <message>`, page by page; it writes none."""

from pathlib import Path

from sandbox.aws.runtime.port import LogLine, LogPage

PAGE_BYTES = 1 << 20


def read_page(path: Path, offset_bytes: int) -> LogPage:
    """Return the whole lines from `offset_bytes` on, about a mebibyte at most."""
    try:
        with path.open("rb") as file:
            file.seek(offset_bytes)
            content = file.read(PAGE_BYTES)
    except FileNotFoundError:
        content = b""
    whole = content[: content.rfind(b"\n") + 1]
    lines = tuple(_line(line) for line in whole.split(b"\n")[:-1])
    return LogPage(lines=lines, next_offset=offset_bytes + len(whole))


def _line(record: bytes) -> LogLine:
    stamp, _, message = record.partition(b" ")
    return LogLine(timestamp_ms=int(stamp), message=message.decode("utf-8", "replace"))
