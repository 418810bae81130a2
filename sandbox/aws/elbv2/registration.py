"""Targets come and go: register, serve, drain, forget; pure steps over the records.

Registering takes a moment on AWS too (`Elb.RegistrationInProgress`). Here it lasts until
the target's port accepts a connection, one probe interval at most, so that a task that is
still starting does not begin with a failed probe.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from sandbox.aws.elbv2.attributes import TARGET_GROUP
from sandbox.aws.elbv2.records import RegisteredTarget, TargetGroup, TargetPhase
from sandbox.aws.elbv2.state import State
from sandbox.aws.ports import Target
from sandbox.clock import TimeScale


class Registrations:
    """Changes the phases of targets; each method runs inside `State.change()`."""

    def __init__(self, state: State, time_scale: TimeScale) -> None:
        self._state = state
        self._time_scale = time_scale

    def register(self, group: TargetGroup, target: Target, now: datetime) -> None:
        """Register one target; one that is registered at the same address is left alone."""
        before = self._state.target(group.arn, target.id, target.port)
        place = (target.address, target.real_port)
        if (
            before is not None
            and before.phase is not TargetPhase.DRAINING
            and (before.address, before.real_port) == place
        ):
            return
        patience_s = self._time_scale.shorten(group.health_check.interval_s)
        record = RegisteredTarget(
            target_group_arn=group.arn,
            id=target.id,
            port=target.port,
            address=target.address,
            real_port=target.real_port,
            availability_zone=target.availability_zone,
            phase=TargetPhase.REGISTERING,
            registered_at=now,
            phase_ends_at=now + timedelta(seconds=patience_s),
        )
        self._state.put(record)

    def deregister(self, group: TargetGroup, target_id: str, port: int, now: datetime) -> None:
        """Take one target out of service; it counts as draining until its delay is over.

        A group that no listener uses has no requests to wait for. An unknown or already
        draining target is left alone.
        """
        record = self._state.target(group.arn, target_id, port)
        if record is None or record.phase is TargetPhase.DRAINING:
            return
        settings = {**TARGET_GROUP, **group.attributes}
        delay_s = self._time_scale.shorten(int(settings["deregistration_delay.timeout_seconds"]))
        if delay_s == 0 or group.arn not in self._state.uses():
            self._state.delete(record)
            return
        until = now + timedelta(seconds=delay_s)
        self._state.put(replace(record, phase=TargetPhase.DRAINING, phase_ends_at=until))

    def advance(self, accepting: Collection[RegisteredTarget], now: datetime) -> None:
        """Put into service what accepts connections, and forget what has drained."""
        for target in self._state.targets():
            over = target.phase_ends_at is not None and target.phase_ends_at <= now
            if target.phase is TargetPhase.REGISTERING and (over or target in accepting):
                active = replace(target, phase=TargetPhase.ACTIVE, phase_ends_at=None)
                self._state.put(active)
            elif target.phase is TargetPhase.DRAINING and over:
                self._state.delete(target)

    def registering(self) -> tuple[RegisteredTarget, ...]:
        """Return the targets that are not in service yet."""
        return tuple(x for x in self._state.targets() if x.phase is TargetPhase.REGISTERING)

    def next_event_at(self) -> datetime | None:
        """Return when the next phase ends by itself."""
        ends = [x.phase_ends_at for x in self._state.targets() if x.phase_ends_at is not None]
        return min(ends, default=None)
