"""The one loop of ECS: observe, plan, perform; woken by events and by the clock.

Its thread is the only one that changes tasks' and deployments' progress.
"""

import logging
import threading
from datetime import datetime, timedelta

from sandbox.aws.ecs import lifecycle, transitions
from sandbox.aws.ecs.containers import ContainerDefinition, container_definitions
from sandbox.aws.ecs.execute import Executor
from sandbox.aws.ecs.health import TargetHealths
from sandbox.aws.ecs.lifecycle import TaskView
from sandbox.aws.ecs.observe import Observer
from sandbox.aws.ecs.prepare import Preparer
from sandbox.aws.ecs.records import Task
from sandbox.aws.ecs.schedule import schedule
from sandbox.aws.ecs.state import EcsState
from sandbox.aws.runtime.port import TaskObservation
from sandbox.clock import Now, TimeScale

BUSY_S = 0.1
"""Between two passes while something is on its way."""
QUIET_S = 0.5
"""Between two passes while nothing is: containers may end at any time."""
FAILED_S = 1.0
"""After a pass that failed, as each does while the container engine is away."""
ROUNDS = 12
"""Rounds of one pass: each follows up on what the one before changed."""
KEEP_STOPPED = timedelta(hours=1)
KEEP_INACTIVE = timedelta(hours=1)

log = logging.getLogger(__name__)


class EcsLoop:
    """Runs passes on its own thread until it is stopped."""

    def __init__(
        self,
        state: EcsState,
        observer: Observer,
        preparer: Preparer,
        executor: Executor,
        *,
        now: Now,
        scale: TimeScale,
    ) -> None:
        self._state = state
        self._observer = observer
        self._preparer = preparer
        self._executor = executor
        self._now = now
        self._scale = scale
        self._wake = threading.Event()
        self._stopping = False
        self._wake_at: datetime | None = None
        self._definitions: dict[str, tuple[ContainerDefinition, ...]] = {}
        self._thread = threading.Thread(target=self._run, name="ecs-loop", daemon=True)

    def start(self) -> None:
        """Start the loop; what is stored and what runs is taken up where it stands."""
        self._thread.start()

    def stop(self) -> None:
        """End the loop after its current pass; tasks go on running."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """Make the next pass come at once. Any thread."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            try:
                delay = self.run_pass()
            except Exception:  # the top of the loop: the next pass starts from what is stored
                log.exception("ecs_pass_failed")
                delay = FAILED_S
            self._wake.wait(delay)
            self._wake.clear()

    def run_pass(self) -> float:
        """Bring everything as far as it goes now; return the seconds to the next pass."""
        for _ in range(ROUNDS):
            if not self._round():
                break
        self._forget_old()
        return self._delay()

    def _round(self) -> bool:
        self._wake_at = None
        for prepared in self._preparer.take():
            self._executor.take_prepared(prepared)
        held = self._observer.tasks()
        for arn in held.keys() - {t.arn for t in self._state.tasks.values()}:
            self._executor.remove_orphan(held[arn])
        active = self._state.active_tasks()
        targets = self._observer.targets(t.target_group_arn for a in active for t in a.targets)
        moved = False
        for task in active:
            try:
                moved |= self._advance(task, held.get(task.arn), targets)
            except Exception as error:  # a fan-out: one task must not stop the others
                log.exception("task_step_failed", extra={"task_arn": task.arn})
                self._executor.give_up(task, error)
        self._executor.write_events()
        return self._schedule_services(targets) or moved

    def _advance(
        self, task: Task, observation: TaskObservation | None, targets: TargetHealths
    ) -> bool:
        if observation is not None:
            task = self._take_over(task, observation)
        view = TaskView(
            is_held=observation is not None,
            is_prepared=self._executor.is_prepared(task.arn),
            is_preparing=self._preparer.is_running(task.arn),
            targets=targets,
        )
        definitions = self._container_definitions(task)
        operations = lifecycle.advance(task, definitions, view, now=self._now())
        for operation in operations:
            self._executor.perform(operation)
        waits = all(o.act is lifecycle.Act.STOP for o in operations)
        return bool(operations) and not waits

    def _take_over(self, task: Task, observation: TaskObservation) -> Task:
        if transitions.observed(task, observation) == task:
            return task
        return (
            self._state.change_task(task.arn, lambda t: transitions.observed(t, observation))
            or task
        )

    def _container_definitions(self, task: Task) -> tuple[ContainerDefinition, ...]:
        definition = self._state.task_definitions.get(task.task_definition_arn)
        if definition is None:
            return ()
        if task.overrides:
            return container_definitions(definition, task.overrides)
        if definition.arn not in self._definitions:
            self._definitions[definition.arn] = container_definitions(definition, {})
        return self._definitions[definition.arn]

    def _schedule_services(self, targets: TargetHealths) -> bool:
        moved = False
        for arn in [s.arn for s in self._state.services.values() if s.status != "INACTIVE"]:
            with self._state.transaction():
                service = self._state.services.get(arn)
                if service is None:
                    continue
                now = self._now()
                plan = schedule(
                    service,
                    self._state.tasks_of_service(arn),
                    targets,
                    now=now,
                    scale=self._scale,
                )
                self._executor.commit(service, plan, now)
            moved |= bool(plan.operations) or plan.service != service
            if plan.wake_at and (self._wake_at is None or plan.wake_at < self._wake_at):
                self._wake_at = plan.wake_at
        return moved

    def _delay(self) -> float:
        settled = {"RUNNING"}
        busy = any(
            t.last_status not in settled or not t.is_wanted for t in self._state.active_tasks()
        )
        delay = BUSY_S if busy else QUIET_S
        if self._wake_at is not None:
            until = (self._wake_at - self._now()).total_seconds()
            delay = min(delay, max(0.01, until))
        return delay

    def _forget_old(self) -> None:
        """Forget tasks and services that ended long ago."""
        now = self._now()
        for task in self._state.tasks.values():
            if task.stopped_at is not None and now - task.stopped_at > KEEP_STOPPED:
                self._state.forget_task(task)
        for service in self._state.services.values():
            if service.inactive_at is not None and now - service.inactive_at > KEEP_INACTIVE:
                with self._state.transaction():
                    self._state.services.delete(service.arn)
                    self._state.events.delete(service.arn)
