from datetime import UTC, datetime, timedelta

import pytest

from fake_harness.console.text import ago, colours, duration, log_line, plain_log_line

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "html"),
    {
        "plain": ("a < b & c", "a &lt; b &amp; c"),
        "tag": ("<script>", "&lt;script&gt;"),
        "colour": ("\x1b[31mred\x1b[0m rest", '<i class="c1">red</i> rest'),
        "bright": ("\x1b[92mok\x1b[39m.", '<i class="c2">ok</i>.'),
        "bold and colour": ("\x1b[1;34mx", '<i class="b c4">x</i>'),
        "bold ends": ("\x1b[1mx\x1b[22my", '<i class="b">x</i>y'),
        "empty code resets": ("\x1b[1mx\x1b[my", '<i class="b">x</i>y'),
        "last colour wins": ("\x1b[31m\x1b[32mx", '<i class="c2">x</i>'),
        "256 colours are skipped": ("\x1b[38;5;196mx\x1b[0m", "x"),
        "true colours are skipped": ("\x1b[38;2;1;2;3;1mx", '<i class="b">x</i>'),
        "cursor codes are dropped": ("\x1b[2K\x1b[1Gx\x1b[?25l", "x"),
        "links are dropped": ("\x1b]8;;http://e\x07x\x1b]8;;\x07", "x"),
        "overwritten text is left out": ("10%\r50%\r100%", "100%"),
        "windows line end": ("done\r", "done"),
        "control characters": ("a\x00b\x07c\x7f", "abc"),
        "escape inside a tag": ("<\x1b[31mb>", '&lt;<i class="c1">b&gt;</i>'),
        "tab stays": ("a\tb", "a\tb"),
    }.values(),
)
def test_terminal_text_becomes_safe_html(text: str, html: str) -> None:
    assert str(colours(text)) == html


@pytest.mark.parametrize(
    ("stored", "level", "html"),
    [
        ('{"level": "INFO", "out": "hi\\n", "time": "2026-11-23T16:13:30.872Z"}', "", "hi"),
        ('{"level": "ERROR", "out": "no", "time": ""}', "error", "no"),
        ('{"level": "INFO", "out": "+ ls", "time": ""}', "command", "+ ls"),
        ("no json <b>", "", "no json &lt;b&gt;"),
        ("[1]", "", "[1]"),
    ],
)
def test_stored_line_is_read(stored: str, level: str, html: str) -> None:
    line = log_line(stored)
    assert (line.level, str(line.html)) == (level, html)
    assert html in str(line.render())


def test_level_of_a_line_cannot_carry_markup() -> None:
    stored = '{"level": "x\\"><script>", "out": "y", "time": "2026-11-23T<b>aaaa"}'
    assert "<script>" not in str(log_line(stored).render())
    assert "<b>" not in str(log_line(stored).render())


def test_plain_line_has_no_codes() -> None:
    assert plain_log_line('{"out": "\\u001b[31mred\\u001b[0m\\n"}') == "red"
    assert plain_log_line("raw") == "raw"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (12, "12 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")],
)
def test_duration_in_words(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words
    assert duration(None) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "just now"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"), (200000, "2 d ago")],
)
def test_moment_in_words(seconds: int, words: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words
    assert ago(None, NOW) == "never"
