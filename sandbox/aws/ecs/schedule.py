"""The service scheduler: records and health in, a plan out; pure, it does and stores nothing.

Rolling rules. Source: ECS developer guide, "Rolling deployments"; the lower limit rounds up, the
upper limit rounds down.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sandbox.aws.ecs import deployments, events
from sandbox.aws.ecs.health import TargetHealths, TaskHealth, Verdict, judge
from sandbox.aws.ecs.records import Deployment, Service, Task
from sandbox.clock import TimeScale

STEADY_AGAIN_S = 6 * 3600
FAILED_BY_ITSELF = frozenset({"TaskFailedToStart", "EssentialContainerExited"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTasks:
    """Start `count` tasks of a deployment."""

    deployment_id: str
    count: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTask:
    """Ask for the end of a task; `reason` becomes its stoppedReason."""

    task_arn: str
    reason: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTask:
    """Remember that the scheduler has seen a task healthy, or has seen its end."""

    task_arn: str
    healthy: bool = False
    ended: bool = False
    cause: str


Operation = StartTasks | StopTask | NoteTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do for one service. `service` is its record afterwards."""

    service: Service
    operations: tuple[Operation, ...] = ()
    events: tuple[str, ...] = ()
    wake_at: datetime | None = None
    """When time alone changes the answer."""


def schedule(
    service: Service,
    tasks: Iterable[Task],
    targets: TargetHealths,
    *,
    now: datetime,
    scale: TimeScale,
) -> Plan:
    """Return what brings `service` nearer to what is wanted. Repeating it is safe."""
    round_ = _Round(service=service, now=now, scale=scale)
    round_.look(tasks, targets)
    if service.status == "DRAINING":
        round_.drain()
    else:
        round_.account()
        round_.break_circuit()
        round_.replace_unhealthy()
        round_.start_missing()
        round_.stop_older()
        round_.scale_in()
        round_.settle()
    return round_.plan()


@dataclass(slots=True, kw_only=True)
class _Round:
    """The working copy of one planning round."""

    service: Service
    now: datetime
    scale: TimeScale
    live: list[Task] = field(default_factory=list)
    ended: list[Task] = field(default_factory=list)
    stopping: int = 0
    health: dict[str, TaskHealth] = field(default_factory=dict)
    starting: int = 0
    operations: list[Operation] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    wake: list[datetime] = field(default_factory=list)

    # Reading

    def look(self, tasks: Iterable[Task], targets: TargetHealths) -> None:
        for task in tasks:
            if task.is_wanted:
                health = judge(task, self.service, targets, now=self.now, scale=self.scale)
                self.live.append(task)
                self.health[task.arn] = health
                if health.until is not None:
                    self.wake.append(health.until)
                continue
            if task.last_status != "STOPPED":
                self.stopping += 1
            if not task.accounted:
                self.ended.append(task)
        self.live.sort(key=lambda t: (t.created_at, t.arn))

    def _verdict(self, task: Task) -> Verdict:
        return self.health[task.arn].verdict

    def _of(self, deployment_id: str) -> list[Task]:
        return [t for t in self.live if t.deployment_id == deployment_id]

    def _older(self) -> list[Task]:
        return [t for t in self.live if t.deployment_id != self.service.primary.id]

    def _primary(self) -> list[Task]:
        return self._of(self.service.primary.id)

    @property
    def _floor(self) -> int:
        percent = self.service.configuration.minimum_healthy_percent
        return math.ceil(self.service.desired_count * percent / 100)

    @property
    def _ceiling(self) -> int:
        percent = self.service.configuration.maximum_percent
        return math.floor(self.service.desired_count * percent / 100)

    @property
    def _slots(self) -> int:
        return max(0, self._ceiling - len(self.live) - self.starting)

    # Writing

    def _stop(self, tasks: Sequence[Task], *, cause: str, reason: str = "") -> None:
        scaling = f"Scaling activity initiated by (deployment {self.service.primary.id})"
        for task in tasks:
            self.live.remove(task)
            self.stopping += 1
            self.operations.append(
                StopTask(task_arn=task.arn, reason=reason or scaling, cause=cause)
            )
        if tasks:
            self.service = replace(self.service, steady_since=None)

    def _start(self, deployment: Deployment, count: int, *, cause: str) -> None:
        if count <= 0 or not self._may_start(deployment):
            return
        self.starting += count
        self.operations.append(StartTasks(deployment_id=deployment.id, count=count, cause=cause))
        self.service = replace(self.service, steady_since=None)

    def _may_start(self, deployment: Deployment) -> bool:
        if deployment.rollout_state == "FAILED":
            return False
        if deployment.revision.launch_type == "EC2":
            self._report_once(deployment, events.unplaced(self.service.name))
            return False
        if deployment.next_start_at is not None and self.now < deployment.next_start_at:
            self.wake.append(deployment.next_start_at)
            return False
        return True

    def _report_once(self, deployment: Deployment, message: str) -> None:
        if not deployment.stall_reported:
            self.events.append(message)
            self._change(replace(deployment, stall_reported=True))

    def _change(self, deployment: Deployment) -> None:
        self.service = deployments.change_deployment(self.service, deployment)

    def _deployment(self, deployment_id: str) -> Deployment | None:
        return next((d for d in self.service.deployments if d.id == deployment_id), None)

    # The rules, in order

    def drain(self) -> None:
        """Stop everything; the service is INACTIVE when nothing is left."""
        self._stop(list(self.live), cause="the service was deleted")
        if self.stopping == 0:
            self.service = replace(self.service, status="INACTIVE", inactive_at=self.now)

    def account(self) -> None:
        """Count failed tasks and healthy ones."""
        for task in self.ended:
            note = NoteTask(task_arn=task.arn, ended=True, cause=f"it ended: {task.stop_code}")
            self.operations.append(note)
            self.service = replace(self.service, steady_since=None)
            if task.stop_code in FAILED_BY_ITSELF and task.healthy_at is None:
                self._count_failure(task.deployment_id)
        for task in self.live:
            if self._verdict(task) is Verdict.HEALTHY and task.healthy_at is None:
                note = NoteTask(task_arn=task.arn, healthy=True, cause="it became healthy")
                self.operations.append(note)
                deployment = self._deployment(task.deployment_id)
                if deployment and self.service.configuration.breaker_resets_on_healthy_task:
                    self._change(deployments.count_healthy(deployment))

    def _count_failure(self, deployment_id: str) -> None:
        deployment = self._deployment(deployment_id)
        if deployment is None:
            return
        deployment = deployments.count_failure(deployment, self.now, self.scale)
        if deployment.failed_tasks >= deployments.IMPAIRED_AFTER:
            if not deployment.impaired_reported:
                self.events.append(events.impaired(self.service.name))
            deployment = replace(deployment, impaired_reported=True)
        self._change(deployment)

    def break_circuit(self) -> None:
        """Fail the deployment after too many failed tasks; roll back when that is wanted."""
        service, primary = self.service, self.service.primary
        configuration = service.configuration
        threshold = deployments.failure_threshold(configuration, service.desired_count)
        if not configuration.breaker_enabled or primary.rollout_state != "IN_PROGRESS":
            return
        if primary.failed_tasks < threshold:
            return
        self.events.append(events.failed(service.name, primary.id))
        target = service.last_completed
        if configuration.breaker_rolls_back and target is not None and target.id != primary.id:
            self.events.append(events.rolling_back(service.name, target.id))
            self.service = deployments.roll_back(service, target, self.now)
        else:
            self.service = deployments.fail(service, self.now)

    def replace_unhealthy(self) -> None:
        """Start a replacement first where the upper limit allows, then stop the unhealthy."""
        tasks = self._primary()
        unhealthy = [t for t in tasks if self._verdict(t) is Verdict.UNHEALTHY]
        if not unhealthy or self.service.primary.rollout_state == "FAILED":
            return
        sound = len(tasks) - len(unhealthy)
        healthy = sum(self._verdict(t) is Verdict.HEALTHY for t in tasks)
        missing = max(0, self.service.desired_count - sound)
        if healthy >= self.service.desired_count:
            count = len(unhealthy)
        else:
            count = max(0, missing - self._slots)
        for task in unhealthy[:count]:
            health = self.health[task.arn]
            if health.event:
                self.events.append(health.event)
            self._stop([task], reason=health.stop_reason, cause="it is unhealthy")
            if task.healthy_at is None:
                self._count_failure(task.deployment_id)

    def start_missing(self) -> None:
        """Start what the PRIMARY lacks; keep up the lower limit in the older revision."""
        primary = self.service.primary
        sound = sum(self._verdict(t) is not Verdict.UNHEALTHY for t in self._primary())
        missing = self.service.desired_count - sound
        self._start(primary, min(missing, self._slots), cause="desired count is not reached")
        good = [d for d in self.service.deployments[1:] if d.rollout_state == "COMPLETED"]
        sound = sum(self._verdict(t) is not Verdict.UNHEALTHY for t in self.live)
        short = min(self._floor - sound - self.starting, self._slots)
        if good and not self._may_start(primary):
            self._start(good[0], short, cause="too few tasks serve during the deployment")

    def stop_older(self) -> None:
        """Stop tasks of older deployments as far as the lower limit allows."""
        older = self._older()
        if not older:
            return
        serving = [
            t
            for t in older
            if t.last_status == "RUNNING" and self._verdict(t) is not Verdict.UNHEALTHY
        ]
        idle = [t for t in older if t not in serving]
        self._stop(idle, cause="an older deployment's task that does not serve")
        healthy = sum(self._verdict(t) is Verdict.HEALTHY for t in self._primary())
        available = healthy + len(serving)
        spare = available - max(self._floor, self.service.desired_count)
        missing = self.service.desired_count - len(self._primary()) - self.starting
        if missing > 0 and self._slots == 0:
            spare = max(spare, min(missing, available - self._floor))
        count = max(0, min(spare, len(serving)))
        self._stop(serving[:count], cause="the newer deployment serves, or needs the room")
        waiting = [t for t in self.live if self._verdict(t) is Verdict.WAITING]
        blocked = missing > 0 and self._slots == 0 and count == 0 and not idle
        if blocked and not waiting and not self.starting and not self.stopping:
            self._report_once(self.service.primary, events.stalled(self.service.name))

    def scale_in(self) -> None:
        """Stop what the PRIMARY has too much: first what does not serve, then the oldest."""
        tasks = self._primary()
        healthy = [t for t in tasks if self._verdict(t) is Verdict.HEALTHY]
        unhealthy = [t for t in tasks if self._verdict(t) is Verdict.UNHEALTHY]
        sound = len(tasks) - len(unhealthy)
        excess = sound - self.service.desired_count
        if self.service.desired_count == 0:
            excess = len(tasks)
        waiting = [t for t in tasks if self._verdict(t) is Verdict.WAITING]
        candidates = [*unhealthy, *reversed(waiting), *healthy]
        if self.service.desired_count:
            candidates = candidates[len(unhealthy) :]
        self._stop(candidates[: max(0, excess)], cause="more tasks than the desired count")

    def settle(self) -> None:
        """Complete the deployment and report the steady state."""
        self._drop_replaced()
        tasks = self._primary()
        healthy = sum(self._verdict(t) is Verdict.HEALTHY for t in tasks)
        wanted = self.service.desired_count
        moving = self.starting or self.stopping or len(self.live) != len(tasks)
        if moving or healthy != wanted or len(tasks) != wanted:
            return
        name, primary = self.service.name, self.service.primary
        if primary.rollout_state == "FAILED":
            return
        if primary.rollout_state == "IN_PROGRESS":
            self.service = deployments.complete(self.service, self.now)
            self.events.append(events.completed(name, primary.id))
        since = self.service.steady_since
        if since is None or self.now - since >= timedelta(seconds=STEADY_AGAIN_S):
            self.service = replace(self.service, steady_since=self.now)
            self.events.append(events.steady(name))

    def _drop_replaced(self) -> None:
        """Drop older deployments that never completed and have no task left."""
        if self.stopping:
            return
        primary, *older = self.service.deployments
        kept = [d for d in older if d.rollout_state == "COMPLETED" or self._of(d.id)]
        if len(kept) < len(older):
            self.service = replace(self.service, deployments=(primary, *kept))

    def plan(self) -> Plan:
        return Plan(
            service=self.service,
            operations=tuple(self.operations),
            events=tuple(self.events),
            wake_at=min(self.wake, default=None),
        )
