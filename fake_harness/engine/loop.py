"""The engine's loop: one lease, one tick for every change of the database, no other state.

A tick reads the rows of each running execution, decides and applies until nothing is left
to do. A restart is the same tick. The only module of the engine that sleeps.
"""

import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine, text

from fake_harness.engine.apply import apply, apply_fault
from fake_harness.engine.commands import Begin, Command, Finish, Launch, Start
from fake_harness.engine.decide import decide
from fake_harness.engine.index import PlanIndex
from fake_harness.engine.load import load_world
from fake_harness.engine.run import Run
from fake_harness.store import leases
from fake_harness.store.database import transaction
from fake_harness.store.executions import active_execution_ids, require_execution
from fake_harness.store.node_executions import NodeExecution

LEASE = "engine"
LEASE_S = 10.0
RENEW_S = 2.0
POLL_S = 0.02
IDLE_POLL_S = 0.05
RESYNC_S = 0.25
"""How often timers are looked at when nobody writes."""
BACK_OFF_S = 5.0
_ROUNDS = 200

log = structlog.get_logger("fake_harness.engine")


class LeaseLostError(Exception):
    """Another engine has taken over; nothing more may be written."""


def utc_now() -> datetime:
    """Return the current time, UTC aware."""
    return datetime.now(UTC)


def new_owner() -> str:
    """Make a name for this process that no other process has."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@dataclass(slots=True, kw_only=True)
class EngineLoop:
    """One engine. Setting `stopping` ends `run` after the decision in hand."""

    database: Engine
    time_scale: float
    public_url: str
    now: Callable[[], datetime] = utc_now
    owner: str = field(default_factory=new_owner)
    stopping: bool = False
    """A plain flag, as a signal handler may set it at any moment."""
    _since: datetime | None = None
    _renewed: float = 0.0
    _plans: dict[str, PlanIndex] = field(default_factory=dict)
    _known: dict[str, dict[str, NodeExecution]] = field(default_factory=dict)
    """Rows as last read, by execution; never trusted beyond their version."""
    _held_back: dict[str, datetime] = field(default_factory=dict)

    def run(self) -> None:
        """Tick until `stop` is set; give the lease back in the end."""
        with self.database.connect() as watch:
            seen: object = None
            ticked = 0.0
            while not self.stopping:
                if not self._hold_lease():
                    time.sleep(RESYNC_S)
                    continue
                version = _data_version(watch)
                due = time.monotonic() - ticked >= RESYNC_S
                busy = False
                if due or version is None or version != seen:
                    busy = self._safe_tick()
                    ticked = time.monotonic()
                    seen = _data_version(watch)
                time.sleep(POLL_S if busy else IDLE_POLL_S)
        with transaction(self.database) as connection:
            leases.release(connection, LEASE, self.owner)

    def tick(self) -> bool:
        """Move every running execution as far as it goes; True when there is any.

        Executions wait for each other (Pipeline stages), so it goes round until none moves.
        """
        for _ in range(_ROUNDS):
            with self.database.connect() as connection:
                active = active_execution_ids(connection)
            for gone in self._plans.keys() - set(active):
                del self._plans[gone]
                self._known.pop(gone, None)
            free = [i for i in active if self._held_back.get(i, self.now()) <= self.now()]
            moved = [execution_id for execution_id in free if self._advance(execution_id)]
            if not moved:
                break
        return bool(active)

    def _safe_tick(self) -> bool:
        try:
            return self.tick()
        except LeaseLostError:
            log.warning("lease_lost", owner=self.owner)
            self._since = None
            return False
        except Exception:  # the top of the process's loop: log, and go on with the next tick
            log.exception("tick_failed")
            return True

    def _advance(self, execution_id: str) -> bool:
        """Move one execution as far as it goes; False when it did not move."""
        moved = False
        try:
            for _ in range(_ROUNDS):
                if self.stopping or not self._step(execution_id):
                    return moved
                moved = True
        except LeaseLostError:
            raise
        except Exception:  # one execution must not stop the others
            log.exception("execution_failed_to_advance", plan_execution_id=execution_id)
            self._held_back[execution_id] = self.now() + timedelta(seconds=BACK_OFF_S)
        return moved

    def _step(self, execution_id: str) -> bool:
        """Decide once and apply; False when there was nothing to do."""
        run, commands = self._decide(execution_id)
        for number, command in enumerate(commands):
            # A microsecond apart, so that rows made in one decision keep its order.
            self._apply(command, replace(run, now=run.now + timedelta(microseconds=number)))
        return bool(commands)

    def _decide(self, execution_id: str) -> tuple[Run, list[Command]]:
        now = self.now()
        with self.database.connect() as connection:
            execution = require_execution(connection, execution_id)
            index = self._plans.get(execution_id)
            if index is None:
                index = self._plans[execution_id] = PlanIndex.of(execution.plan)
            world = load_world(
                connection,
                execution,
                index,
                now=now,
                time_scale=self.time_scale,
                engine_since=self._since or now,
                known=self._known.get(execution_id, {}),
            )
        known = self._known[execution_id] = {node.id: node for node in world.nodes}
        run = Run(
            execution=execution,
            index=index,
            now=now,
            time_scale=self.time_scale,
            public_url=self.public_url,
            known=known,
        )
        return run, decide(world)

    def _apply(self, command: Command, run: Run) -> None:
        try:
            with transaction(self.database) as connection:
                self._check_lease(connection)
                apply(connection, command, run)
            _note(command, run)
        except LeaseLostError:
            raise
        except Exception as error:
            # A fault of ours while a node starts becomes that node's failure, so that the
            # execution ends with a reason; any other is for the caller's back-off.
            if not isinstance(command, Start | Launch):
                raise
            log.exception("node_failed_to_start", plan_node_id=command.place.node.id)
            with transaction(self.database) as connection:
                self._check_lease(connection)
                apply_fault(connection, command, run, f"The engine failed: {error!r}")

    def _hold_lease(self) -> bool:
        """Take or renew the lease; True while it is ours."""
        if self._since is not None and time.monotonic() - self._renewed < RENEW_S:
            return True
        with transaction(self.database) as connection:
            lease = leases.get_lease(connection, LEASE)
            if lease is not None and _is_dead(lease.owner):
                leases.release(connection, LEASE, lease.owner)
            mine = leases.take_or_renew(
                connection, LEASE, self.owner, now=self.now(), for_s=LEASE_S
            )
        self._renewed = time.monotonic()
        if mine and self._since is None:
            self._since = self.now()
            log.info("lease_taken", owner=self.owner)
        elif not mine:
            self._since = None
        return mine

    def _check_lease(self, connection: Connection) -> None:
        if self._since is None:
            return
        lease = leases.get_lease(connection, LEASE)
        if lease is None or lease.owner != self.owner:
            raise LeaseLostError


def _note(command: Command, run: Run) -> None:
    """Log the two changes that a person asks about; the rest is in the event table."""
    facts = {"plan_execution_id": run.execution.id, "pipeline": run.execution.pipeline}
    if isinstance(command, Begin):
        log.info("execution_started", **facts)
    elif isinstance(command, Finish):
        log.info("execution_ended", status=command.to.value, **facts)


def _is_dead(owner: str) -> bool:
    """True when the owner was a process of this machine that is no more.

    So a restart after `kill -9` goes on at once; from elsewhere the lease must run out.
    """
    host, pid, _ = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _data_version(connection: Connection) -> object:
    """Return a number that changes when anybody else writes; None where none is kept."""
    if connection.dialect.name != "sqlite":
        return None
    return connection.execute(text("PRAGMA data_version")).scalar()
