"""Shows measurements as one Markdown page."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

_HEAD = (
    "Recorded by `make bench`. Read the ratios: both sides of each were measured in the same "
    "run, one after the other, on the same cores as the load itself."
)


@dataclass(frozen=True)
class Section:
    """One table and what it is about."""

    title: str
    about: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def page(sections: Sequence[Section], machine: str, at: datetime) -> str:
    """Return the page."""
    parts = [
        "# Benchmarks",
        "",
        _HEAD,
        "",
        f"{at:%Y-%m-%d}, {machine}, {os.cpu_count()} cores.",
    ]
    for section in sections:
        parts += ["", f"## {section.title}", "", section.about, ""]
        parts.append("| " + " | ".join(section.columns) + " |")
        parts.append("|" + "---|" * len(section.columns))
        parts += ["| " + " | ".join(row) + " |" for row in section.rows]
    return "\n".join(parts) + "\n"
