"""Takes note of calls as they pass the gateway, and writes them a moment later.

A request only leaves its bytes in a queue; one thread reads them and writes batches. So a
call is never slower for its record, and never fails for it: what cannot be read is logged
and left out, and when the queue is full the oldest wait no longer. `kill -9` loses the last
moment's events, and nothing else; CloudTrail itself delivers minutes late.
"""

import logging
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sandbox.aws.trail.actions import is_data_event, is_read_only
from sandbox.aws.trail.callers import Caller, Callers
from sandbox.aws.trail.calls import Call, read_call
from sandbox.aws.trail.grants import NamedResource, Scope, grants_of, named_resources
from sandbox.aws.trail.records import (
    Circumstances,
    event_record,
    event_source,
    resource_name,
    resource_type,
)
from sandbox.aws.trail.store import Event, Permission, TrailStore
from sandbox.aws.wire import RequestContext, WireRequest, WireResponse
from sandbox.types import JsonObject

log = logging.getLogger(__name__)

LONGEST_QUEUE = 10_000
LARGEST_BODY = 256 * 1024
"""Bodies beyond this are content, not parameters; they are not kept waiting."""
BATCH = 200
PAUSE_S = 0.25
FLUSH_S = 10.0
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
)
_DEFINITION_IN = frozenset({"RunTask", "StartTask", "CreateService", "UpdateService"})

RolesOf = Callable[[str, str], Sequence[str]]
"""(region, task definition) to the roles that launching from it passes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A request that passed, as it waits to be read."""

    service: str
    context: RequestContext
    request: WireRequest
    answer: WireResponse
    call: Call | None = None
    """Known at once for what is no AWS request: a pull or push of an image."""


class Recorder:
    """Notes what passes, and writes it in a thread of its own."""

    def __init__(self, store: TrailStore, callers: Callers, roles_of: RolesOf) -> None:
        self._store = store
        self._callers = callers
        self._roles_of = roles_of
        self._queue: deque[Passed | threading.Event] = deque(maxlen=LONGEST_QUEUE)
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start writing."""
        self._thread = threading.Thread(target=self._loop, name="trail", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._drain()

    def note(self, passed: Passed) -> None:
        """Note one request with its answer; quick, and it never raises."""
        if len(passed.request.body) > LARGEST_BODY:
            passed = replace(passed, request=replace(passed.request, body=b""))
        if len(passed.answer.body) > LARGEST_BODY:
            passed = replace(passed, answer=replace(passed.answer, body=b""))
        self._queue.append(passed)

    def flush(self) -> None:
        """Wait until everything noted so far is written."""
        if self._thread is None:
            self._drain()
            return
        reached = threading.Event()
        self._queue.append(reached)
        self._wanted.set()
        reached.wait(FLUSH_S)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait(PAUSE_S)
            self._wanted.clear()
            try:
                self._drain()
            except Exception:
                # The top of a loop: a full disk must not end recording for good.
                log.exception("trail_not_written")

    def _drain(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            try:
                self._write([one for one in batch if isinstance(one, Passed)])
            finally:
                for one in batch:
                    if isinstance(one, threading.Event):
                        one.set()

    def _write(self, batch: Sequence[Passed]) -> None:
        events: list[Event] = []
        permissions: Counter[Permission] = Counter()
        for passed in batch:
            self._read(passed, events, permissions)
        counted = [replace(one, calls=number) for one, number in permissions.items()]
        self._store.write(events, counted)

    def _read(self, passed: Passed, events: list[Event], permissions: Counter[Permission]) -> None:
        try:
            call = passed.call or read_call(passed.service, passed.request, passed.answer)
            if not call.operation:
                return
            caller = self._callers.identify(passed.context)
            permissions.update(self._permissions(call, caller, passed.context))
            if not is_data_event(call.service, call.operation, call.parameters):
                events.append(_event(call, caller, passed))
        except Exception:
            # A fan-out: one call that cannot be read must not lose the others.
            log.exception("call_not_recorded", extra={"service": passed.service})

    def _permissions(self, call: Call, caller: Caller, context: RequestContext) -> list[Permission]:
        scope = Scope(account_id=context.account_id, region=context.region)
        roles: Sequence[str] = ()
        definition = call.parameters.get("taskDefinition")
        if call.service == "ecs" and call.operation in _DEFINITION_IN and definition:
            roles = self._roles_of(context.region, str(definition))
        grants = grants_of(call.service, call.operation, call.parameters, scope, roles=roles)
        denied = call.error_code if call.error_code in DENIED else ""
        return [
            Permission(caller=label, grant=grant, denied=denied)
            for label in caller.labels
            for grant in grants
        ]


def _event(call: Call, caller: Caller, passed: Passed) -> Event:
    context, request = passed.context, passed.request
    resources = _resources(call, context)
    at = Circumstances(
        event_id=str(uuid.uuid4()),
        request_id=context.request_id,
        time=context.now,
        account_id=context.account_id,
        region=context.region,
        source_ip_address=request.remote_address,
        user_agent=context.user_agent,
    )
    return Event(
        event_id=at.event_id,
        time=_whole_second(context.now),
        region=context.region,
        name=call.operation,
        source=event_source(call.service),
        username=caller.principal.name,
        access_key_id=caller.access_key_id,
        read_only=is_read_only(call.operation),
        record=event_record(call, caller, at, resources),
        resources=_names(resources),
    )


def _resources(call: Call, context: RequestContext) -> tuple[NamedResource, ...]:
    """Return what the request names, and what the answer says was made."""
    scope = Scope(account_id=context.account_id, region=context.region)
    named = list(named_resources(call.service, call.operation, call.parameters, scope))
    if call.result and not is_read_only(call.operation):
        both: JsonObject = {**call.parameters, "_": call.result}
        named += named_resources(call.service, call.operation, both, scope)
    return tuple(dict.fromkeys(named))


def _names(resources: Sequence[NamedResource]) -> tuple[tuple[str, str], ...]:
    """Return CloudTrail's rows: a resource can be looked up by its name and by its ARN."""
    found = []
    for one in resources:
        kind = resource_type(one)
        if kind:
            found += [(kind, resource_name(one)), (kind, one.arn)]
    return tuple(dict.fromkeys(found))


def _whole_second(moment: datetime) -> datetime:
    """Events tell no fractions of a second."""
    return moment.replace(microsecond=0)
