"""Prints how the sandbox stands; it asks nothing itself."""

from collections.abc import Mapping
from typing import Any

from sandbox import terminal


def print_status(described: Mapping[str, Any]) -> None:
    """Print what `Sandbox.describe` returned."""
    if not described["running"]:
        terminal.err.print(
            f"No sandbox is running in {terminal.plain(described['home'])}. "
            "Start it with `sandbox up`."
        )
        return
    terminal.print_table(
        ("process", "state", "pid", "up"),
        [
            (row["name"], terminal.status_cell(row["state"]), row["pid"], f"{row['uptime_s']} s")
            for row in described["processes"]
        ],
    )
    terminal.out.print()
    rows = [
        *described["urls"].items(),
        ("Tasks run on", described["engine"]),
        ("State", described["home"]),
    ]
    terminal.print_table(("what", "where"), rows)
    if described["load_balancers"]:
        terminal.out.print()
        terminal.print_table(
            ("load balancer", "address", "ports"),
            [
                (name, lb["address"], ", ".join(f"{k}→{v}" for k, v in lb["ports"].items()))
                for name, lb in described["load_balancers"].items()
            ],
        )
