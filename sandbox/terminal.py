"""What people see: progress, tables, errors. Colour only on a terminal, JSON for machines."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

# Lines are never folded here: what is copied or piped must stay whole.
out = Console(highlight=False, emoji=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)

_LAST_COLUMN = 40
"""The last column of a table is folded to the terminal, but not narrower than this."""
_GAP = 2
_COLOURS: Mapping[str, str] = {
    "Success": "green",
    "RUNNING": "green",
    "ok": "green",
    "Failed": "red",
    "Errored": "red",
    "Aborted": "red",
    "Expired": "red",
    "ApprovalRejected": "red",
    "FATAL": "red",
    "missing": "red",
    "blocked": "red",
    "Running": "cyan",
    "ApprovalWaiting": "yellow",
    "BACKOFF": "yellow",
    "warning": "yellow",
}


def print_json(value: object) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_error(message: str, hint: str = "") -> None:
    """Print what went wrong and how to mend it."""
    err.print(f"[red]Error:[/red] {plain(message)}")
    if hint:
        err.print(f"[yellow]Hint:[/yellow] {plain(hint)}")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings; only the last column is ever folded, and only on a terminal."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max([len(column), *(row[n].cell_len for row in cells)]) for n, column in enumerate(columns)
    ]
    fixed = sum(widths[:-1]) + _GAP * len(widths)
    room = max(out.width - fixed, _LAST_COLUMN) if out.is_terminal else widths[-1]
    width = fixed + min(room, widths[-1])
    table = Table(box=None, pad_edge=False, header_style="bold", width=width)
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    for row in cells:
        table.add_row(*row)
    out.print(table, soft_wrap=False, crop=False)


def status_text(status: str) -> str:
    """Return a status word as markup, coloured by what it means."""
    colour = _COLOURS.get(status)
    return f"[{colour}]{status}[/{colour}]" if colour else plain(status)


def status_cell(status: str) -> Text:
    """Return a status word as a table's cell, coloured by what it means."""
    return Text(status, style=_COLOURS.get(status, ""))


def plain(text: str) -> str:
    """Return `text` so that it prints as it is, brackets included."""
    return escape(text)


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Show one long step: its title, its latest line while it runs, its time at the end.

    Yields a function that takes the latest line. Without a terminal each title and its end
    are printed as plain lines.
    """
    begun = time.monotonic()
    if err.is_terminal:
        with err.status(f"[bold]{plain(title)}[/bold]") as status:

            def update(line: str) -> None:
                shown = line.strip()[: max(err.width - len(title) - 10, 10)]
                if shown:
                    status.update(f"[bold]{plain(title)}[/bold] [dim]{plain(shown)}[/dim]")

            yield update
    else:
        err.print(f"- {title} ...", markup=False)
        yield lambda _line: None
    err.print(f"[green]✓[/green] {plain(title)} [dim]{time.monotonic() - begun:.1f} s[/dim]")


def _cell(value: object) -> Text:
    return value if isinstance(value, Text) else Text(str(value))
