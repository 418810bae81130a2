"""Whatever happens to the tasks, a deployment keeps its limits and comes to an end."""

import math
import random
from dataclasses import replace
from datetime import timedelta

from ecs_builders import GROUP, NOW, TARGET_STATES, deployment, service, task
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.aws.ecs.records import Service, Task
from sandbox.aws.ecs.schedule import NoteTask, StartTasks, StopTask, schedule
from sandbox.clock import TimeScale

STEP = timedelta(seconds=5)


class Simulation:
    """A service whose tasks take random times to start, serve and end."""

    def __init__(self, first: Service, seed: int) -> None:
        self.service = first
        self.random = random.Random(seed)
        self.now = NOW
        self.tasks: dict[str, Task] = {}
        self.serving: set[str] = set()
        self.number = 0

    def healthy(self) -> int:
        return sum(t.is_wanted and t.arn in self.serving for t in self.tasks.values())

    def live(self) -> int:
        return sum(t.is_wanted for t in self.tasks.values())

    def step(self) -> bool:
        """Let time pass and plan once; True when something was planned."""
        self.now += STEP
        for current in list(self.tasks.values()):
            if self.random.random() < 0.5:
                self._progress(current)
        health = {
            (t.interface.private_ipv4_address, 80): TARGET_STATES[
                "healthy" if t.arn in self.serving else "waiting"
            ]
            for t in self.tasks.values()
            if t.interface
        }
        plan = schedule(
            self.service, self.tasks.values(), {GROUP: health}, now=self.now, scale=TimeScale()
        )
        self.service = plan.service
        for operation in plan.operations:
            self._do(operation)
        return bool(plan.operations)

    def _progress(self, current: Task) -> None:
        if not current.is_wanted:
            self.tasks[current.arn] = replace(current, last_status="STOPPED")
        elif current.last_status != "RUNNING":
            self.tasks[current.arn] = replace(
                current,
                last_status="RUNNING",
                started_at=self.now,
                targets=tuple(replace(t, registered=True) for t in current.targets),
            )
        else:
            self.serving.add(current.arn)

    def _do(self, operation: StartTasks | StopTask | NoteTask) -> None:
        if isinstance(operation, StartTasks):
            for _ in range(operation.count):
                self.number += 1
                of = operation.deployment_id.removeprefix("ecs-svc/")
                made = task(self.number, of, "pending", created_at=self.now)
                self.tasks[made.arn] = made
        elif isinstance(operation, StopTask):
            found = self.tasks[operation.task_arn]
            self.tasks[found.arn] = replace(
                found, desired_status="STOPPED", last_status="STOPPING", accounted=True
            )
        else:
            found = self.tasks[operation.task_arn]
            at = self.now if operation.healthy else found.healthy_at
            self.tasks[found.arn] = replace(found, healthy_at=at)


@settings(max_examples=60, deadline=None)
@given(
    desired=st.integers(0, 8),
    minimum=st.integers(0, 100),
    extra=st.integers(0, 100),
    seed=st.integers(0, 10_000),
)
def test_rolling_update_keeps_its_limits_and_ends(
    desired: int, minimum: int, extra: int, seed: int
) -> None:
    maximum = 100 + extra
    floor, ceiling = math.ceil(desired * minimum / 100), desired * maximum // 100
    old = deployment("old")
    simulation = Simulation(
        service(desired, minimum=minimum, maximum=maximum, deployments=(old,)), seed
    )
    for _ in range(200):
        simulation.step()
    assert simulation.service.primary.rollout_state == "COMPLETED"
    new = deployment("new")
    simulation.service = replace(
        simulation.service,
        deployments=(
            replace(new, status="PRIMARY"),
            replace(simulation.service.primary, status="ACTIVE"),
        ),
        steady_since=None,
    )
    for _ in range(400):
        simulation.step()
        assert simulation.live() <= ceiling
        assert simulation.healthy() >= floor
    if floor < desired or ceiling > desired or desired == 0:
        assert [d.id for d in simulation.service.deployments] == [new.id]
        assert simulation.service.steady_since is not None
        assert simulation.live() == desired
        assert not simulation.step()
