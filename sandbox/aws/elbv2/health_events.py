"""Reads Envoy's log of probe events and remembers each target's last failures."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import cast

from sandbox.types import JsonObject

log = logging.getLogger(__name__)

_MAX_BYTES = 4 << 20

HostKey = tuple[str, str, int]
"""Cluster, address, port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeHistory:
    """What Envoy's probes of one target have come to."""

    failures: int = 0
    """Failures in a row while the target was never healthy; else those seen since."""
    last_failure: str = ""
    """Envoy's failure type: ACTIVE (a wrong answer) | NETWORK | NETWORK_TIMEOUT."""
    status_code: int = 0
    was_healthy: bool = False


class HealthEvents:
    """The tail of the event log. The file is cut when it grows; the memory stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._histories: dict[HostKey, tuple[datetime, ProbeHistory]] = {}

    def read(self) -> None:
        """Take in what was written since the last call."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(self._offset if self._offset <= size else 0)
                data = file.read()
                # A line that is still being written is left for the next call.
                whole = data[: data.rfind(b"\n") + 1]
                self._offset = file.tell() - len(data) + len(whole)
        except FileNotFoundError:
            return
        for line in whole.splitlines():
            self._take(line)
        if self._offset > _MAX_BYTES:
            # Envoy appends, so it goes on at the new end.
            with self._path.open("r+b") as file:
                file.truncate(0)
            self._offset = 0

    def _take(self, line: bytes) -> None:
        try:
            event = cast("JsonObject", json.loads(line))
            key, at = _host(event), datetime.fromisoformat(str(event["timestamp"]))
        except (ValueError, KeyError):
            # A line cut in two by a crash of Envoy.
            log.warning("health_event_unreadable")
            return
        _, before = self._histories.get(key, (at, ProbeHistory()))
        self._histories[key] = (at, _after(before, event))

    def history(self, key: HostKey, *, since: datetime) -> ProbeHistory:
        """Return what is known of a target that was registered at `since`."""
        at, found = self._histories.get(key, (since, ProbeHistory()))
        return found if at >= since else ProbeHistory()


def _host(event: JsonObject) -> HostKey:
    host = cast("Mapping[str, JsonObject]", event["host"])["socket_address"]
    return str(event["cluster_name"]), str(host["address"]), int(cast("int", host["port_value"]))


def _after(before: ProbeHistory, event: JsonObject) -> ProbeHistory:
    failure = cast("JsonObject | None", event.get("health_check_failure_event"))
    if failure is not None:
        # A first check is that of a host that is new to Envoy, whatever was there before.
        before = ProbeHistory() if failure.get("first_check") else before
        return replace(
            before,
            failures=before.failures + 1,
            last_failure=str(failure.get("failure_type", "")),
            status_code=int(cast("int", failure.get("http_status_code", 0))),
        )
    if "add_healthy_event" in event:
        return ProbeHistory(was_healthy=True)
    return before
