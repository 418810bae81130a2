"""What people see: progress, tables, errors. Colour only on a terminal, JSON for machines."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    out.print(table)


def status_text(status: str) -> str:
    """Return a status word coloured by what it means."""
    colours: Mapping[str, str] = {
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
        "Running": "cyan",
        "ApprovalWaiting": "yellow",
        "warning": "yellow",
    }
    colour = colours.get(status)
    return f"[{colour}]{status}[/{colour}]" if colour else status


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Show one long step: its title, its latest line while it runs, its time at the end.

    Yields a function that takes the latest line. Without a terminal each title and its end
    are printed as plain lines.
    """
    begun = time.monotonic()
    if err.is_terminal:
        with err.status(f"[bold]{title}[/bold]") as status:

            def update(line: str) -> None:
                shown = line.strip().replace("[", r"\[")
                if shown:
                    status.update(f"[bold]{title}[/bold] [dim]{shown[: err.width - 30]}[/dim]")

            yield update
    else:
        err.print(f"- {title} ...", markup=False)
        yield lambda _line: None
    err.print(f"[green]✓[/green] {title} [dim]{time.monotonic() - begun:.1f} s[/dim]")


def plain(text: str) -> str:
    """Return `text` so that it prints as it is, brackets included."""
    return text.replace("[", r"\[")
