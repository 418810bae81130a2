"""What is true now: the runtime's tasks and the targets' health; it changes nothing."""

import time
from collections.abc import Iterable, Mapping

from sandbox.aws.ecs.health import TargetHealths
from sandbox.aws.ports import TargetHealth, TargetRegistrar
from sandbox.aws.runtime.port import ContainerRuntime, TaskObservation

TARGETS_INTERVAL_S = 0.5
"""Target health is read at most this often, unless something of ours changed it."""


class Observer:
    """Reads the runtime at each call and target groups at intervals. One thread."""

    def __init__(self, runtime: ContainerRuntime, registrar: TargetRegistrar) -> None:
        self._runtime = runtime
        self._registrar = registrar
        self._targets: dict[str, Mapping[tuple[str, int], TargetHealth]] = {}
        self._read_at: dict[str, float] = {}

    def tasks(self) -> Mapping[str, TaskObservation]:
        """Return what the runtime holds, by task ARN."""
        return {task.task_arn: task for task in self._runtime.observe()}

    def targets(self, target_group_arns: Iterable[str]) -> TargetHealths:
        """Return the health of these target groups; one that is gone is absent."""
        wanted = set(target_group_arns)
        now = time.monotonic()
        for arn in wanted:
            if now - self._read_at.get(arn, float("-inf")) < TARGETS_INTERVAL_S:
                continue
            if self._registrar.target_group(arn) is None:
                self._targets.pop(arn, None)
            else:
                self._targets[arn] = self._registrar.health(arn)
            self._read_at[arn] = now
        for arn in self._read_at.keys() - wanted:
            del self._read_at[arn]
            self._targets.pop(arn, None)
        return dict(self._targets)

    def forget(self, target_group_arn: str) -> None:
        """Read this target group anew at the next call."""
        self._read_at.pop(target_group_arn, None)
