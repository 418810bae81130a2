"""What is printed: no colour and no folding where a machine reads."""

import io
import json

import pytest
from rich.console import Console

from sandbox import terminal

NAME = "internal-workshop-0123456789abcdef-" + "x" * 120 + ".us-east-1.elb.amazonaws.com"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    for name in ("out", "err"):
        console = Console(file=stream, highlight=False, emoji=False, soft_wrap=True, width=80)
        monkeypatch.setattr(terminal, name, console)
    return stream


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, emoji=False, soft_wrap=True, width=80)
    monkeypatch.setattr(terminal, "out", console)
    return stream


def test_no_colour_without_a_terminal(printed: io.StringIO) -> None:
    terminal.print_table(("name", "state"), [("aws", terminal.status_cell("RUNNING"))])
    terminal.print_error("bad", "mend it")
    with terminal.step("sandbox up") as line:
        line("aws")
    assert "\x1b" not in printed.getvalue()
    assert "RUNNING" in printed.getvalue()


def test_colour_on_a_terminal(on_terminal: io.StringIO) -> None:
    terminal.print_table(("name", "state"), [("aws", terminal.status_cell("RUNNING"))])
    assert "\x1b[32mRUNNING" in on_terminal.getvalue()


def test_long_names_stay_whole_on_a_terminal(on_terminal: io.StringIO) -> None:
    terminal.print_table(("load balancer", "ports"), [(NAME, "80→80")])
    assert NAME in on_terminal.getvalue()


def test_names_are_whole_where_a_machine_reads(printed: io.StringIO) -> None:
    terminal.print_table(("name", "value"), [("a", NAME), (NAME, NAME)])
    rows = printed.getvalue().splitlines()
    assert [row.split() for row in rows[1:]] == [["a", NAME], [NAME, NAME]]


def test_last_column_is_folded_to_the_terminal(on_terminal: io.StringIO) -> None:
    terminal.print_table(("setting", "meaning"), [("HOME", "word " * 40)])
    assert len(on_terminal.getvalue().splitlines()) > 3


@pytest.mark.parametrize(
    "text", ["[red]plain[/red]", "arn:aws:key:x", "a [b] c", "C:\\[x]", "l " * 100]
)
def test_text_is_printed_as_it_is(printed: io.StringIO, text: str) -> None:
    terminal.print_error(text)
    terminal.print_table(("x",), [(text,)])
    assert printed.getvalue().count(text.rstrip()) == 2


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json({"a": [1, "é"]})
    assert json.loads(capsys.readouterr().out) == {"a": [1, "é"]}
