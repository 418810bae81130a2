"""Publishes load balancer names to a file that the forward proxy reads; see `sandbox/proxy/`."""

import json
import os
from pathlib import Path

from sandbox.aws.elbv2.state import State
from sandbox.types import JsonObject


class NamesFile:
    """Writes `{DNSName: {"address": ..., "ports": {"80": 80}}}`, whole and atomically."""

    def __init__(self, path: Path, state: State) -> None:
        self._path = path
        self._state = state
        self._written: JsonObject | None = None

    def write(self) -> None:
        """Write the file if the names changed. Called inside `State.change()`."""
        names = self._names()
        if names == self._written:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        draft.write_text(json.dumps(names, indent=1, sort_keys=True), encoding="utf-8")
        draft.replace(self._path)
        self._written = names

    def _names(self) -> JsonObject:
        return {
            record.dns_name: {
                "address": record.address,
                "ports": {
                    str(listener.port): listener.bound_port
                    for listener in self._state.listeners_of(record.arn)
                },
            }
            for record in self._state.load_balancers()
        }
