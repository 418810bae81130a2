"""Performs what was planned, one operation at a time; it decides nothing.

An effect comes first and its record after it: every effect is safe to repeat, so a crash in
between only repeats it. Ports are never called inside a transaction.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from sandbox.aws.ecs import arns, events, transitions
from sandbox.aws.ecs.launch import new_tasks, service_launch
from sandbox.aws.ecs.lifecycle import Act, TaskOperation
from sandbox.aws.ecs.observe import Observer
from sandbox.aws.ecs.prepare import Prepared, Preparer
from sandbox.aws.ecs.pump import LogPump
from sandbox.aws.ecs.records import Service, Task, TaskTarget
from sandbox.aws.ecs.schedule import NoteTask, Operation, Plan, StartTasks, StopTask
from sandbox.aws.ecs.state import EcsState
from sandbox.aws.ports import NetworkPlane, Target, TargetRegistrar
from sandbox.aws.runtime.port import (
    ContainerRuntime,
    ContainerState,
    StartError,
    TaskObservation,
    TaskSpec,
)
from sandbox.clock import Now
from sandbox.errors import AwsError

ORPHAN_STOP_S = 10

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Happened:
    """What the service events of one pass will say."""

    registered: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    deregistered: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    draining: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    stopped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What operations are performed with."""

    runtime: ContainerRuntime
    registrar: TargetRegistrar
    network: NetworkPlane
    preparer: Preparer
    pump: LogPump
    observer: Observer


class Executor:
    """Performs operations on the loop's thread."""

    def __init__(self, state: EcsState, hands: Hands, *, now: Now) -> None:
        self._state = state
        self._hands = hands
        self._now = now
        self._specs: dict[str, TaskSpec] = {}
        self._stops_sent: set[tuple[str, str]] = set()
        self._happened = _Happened()
        self._acts: dict[Act, Callable[[Task, TaskOperation], None]] = {
            Act.PROVISION: self._provision,
            Act.PREPARE: self._prepare,
            Act.CREATE: self._create,
            Act.START: self._start,
            Act.REPORT_RUNNING: self._report_running,
            Act.REGISTER: self._register,
            Act.END: self._end,
            Act.DEREGISTER: self._deregister,
            Act.REPORT_STOPPING: self._report_stopping,
            Act.STOP: self._stop,
            Act.REPORT_DEPROVISIONING: self._report_deprovisioning,
            Act.RELEASE: self._release,
        }

    def is_prepared(self, task_arn: str) -> bool:
        """Tell whether the task's spec is at hand."""
        return task_arn in self._specs

    # Services: records only, in the caller's transaction

    def commit(self, before: Service, plan: Plan, now: datetime) -> None:
        """Write a service's plan. The caller holds the transaction in which it was made."""
        if plan.service != before:
            self._state.services.put(before.arn, plan.service)
        messages = list(plan.events)
        for operation in plan.operations:
            log.debug("ecs_operation", extra={"operation": operation})
            messages.extend(self._write(plan.service, operation, now))
        self._state.add_events(before.arn, messages, now)

    def _write(self, service: Service, operation: Operation, now: datetime) -> list[str]:
        if isinstance(operation, StartTasks):
            return self._start_tasks(service, operation, now)
        if isinstance(operation, StopTask):
            reason = operation.reason
            self._state.change_task(
                operation.task_arn,
                lambda t: replace(
                    transitions.stop_requested(
                        t, code="ServiceSchedulerInitiated", reason=reason, now=now
                    ),
                    accounted=True,
                ),
            )
            return []
        note: NoteTask = operation
        self._state.change_task(
            note.task_arn,
            lambda t: replace(
                t,
                healthy_at=now if note.healthy else t.healthy_at,
                accounted=note.ended or t.accounted,
            ),
        )
        return []

    def _start_tasks(self, service: Service, start: StartTasks, now: datetime) -> list[str]:
        deployment = next(d for d in service.deployments if d.id == start.deployment_id)
        cluster = self._state.clusters.get(service.cluster_arn)
        definition = self._state.task_definitions.get(deployment.revision.task_definition_arn)
        if cluster is None or definition is None:
            return []
        tasks = new_tasks(
            service_launch(service, deployment, cluster, definition),
            cluster,
            definition,
            count=start.count,
            beside=[t for t in self._state.tasks_of_service(service.arn) if t.is_wanted],
            now=now,
        )
        for task in tasks:
            self._state.put_task(task)
        return [events.started(service.name, [t.id for t in tasks])]

    # Tasks

    def perform(self, operation: TaskOperation) -> None:
        """Perform one step of a task."""
        task = self._state.tasks.get(operation.task_arn)
        if task is not None:
            log.debug("ecs_operation", extra={"operation": operation})
            self._acts[operation.act](task, operation)

    def give_up(self, task: Task, error: Exception) -> None:
        """End a task that could not be started for a reason that nobody foresaw."""
        if task.last_status in {"PROVISIONING", "PENDING", "ACTIVATING"}:
            self._fail(task.arn, f"InternalError: {type(error).__name__}: {error}")

    def take_prepared(self, prepared: Prepared) -> None:
        """Take over the outcome of a preparation."""
        now = self._now()
        if prepared.spec is None:
            self._fail(prepared.task_arn, prepared.failure)
            return
        held = self._state.tasks.get(prepared.task_arn)
        if held is None or not held.is_wanted:
            return
        self._specs[prepared.task_arn] = prepared.spec
        task = self._state.change_task(
            prepared.task_arn, lambda t: transitions.prepared(t, prepared.digests, now)
        )
        if task is not None and task.service_arn:
            self._pin_digests(task, prepared)

    def _pin_digests(self, task: Task, prepared: Prepared) -> None:
        """Keep the digests of a deployment's first task for all its tasks."""
        with self._state.transaction():
            service = self._state.services.get(task.service_arn)
            if service is None:
                return
            deployments = tuple(
                replace(d, image_digests={**prepared.digests, **d.image_digests})
                if d.id == task.deployment_id
                else d
                for d in service.deployments
            )
            if deployments != service.deployments:
                self._state.services.put(service.arn, replace(service, deployments=deployments))

    def _fail(self, task_arn: str, reason: str) -> None:
        now = self._now()
        self._state.change_task(
            task_arn,
            lambda t: transitions.stop_requested(
                t, code="TaskFailedToStart", reason=reason, now=now
            ),
        )

    def _provision(self, task: Task, _: TaskOperation) -> None:
        now, interface, zone = self._now(), None, ""
        if task.network is not None:
            region = arns.scope_of(task.arn).region
            try:
                subnet = self._hands.network.subnet(region, task.subnet_id)
                interface = self._hands.network.create_interface(
                    region, task.subnet_id, task.network.security_groups, task.arn
                )
            except AwsError as error:
                self._fail(
                    task.arn,
                    "Unexpected EC2 error while attempting to Create Network Interface in subnet "
                    f"'{task.subnet_id}': {error.code}",
                )
                return
            zone = subnet.availability_zone if subnet else ""
        self._state.change_task(
            task.arn, lambda t: transitions.provisioned(t, interface, zone, now)
        )

    def _prepare(self, task: Task, _: TaskOperation) -> None:
        definition = self._state.task_definitions.get(task.task_definition_arn)
        if definition is None:
            self._fail(task.arn, "The task definition is gone")
            return
        service = self._state.services.get(task.service_arn)
        deployments = service.deployments if service else ()
        pinned = next((d.image_digests for d in deployments if d.id == task.deployment_id), {})
        now = self._now()
        self._state.change_task(task.arn, lambda t: transitions.pulling(t, now))
        self._hands.preparer.submit(task, definition, pinned)

    def _create(self, task: Task, _: TaskOperation) -> None:
        try:
            observation = self._hands.runtime.create_task(self._specs[task.arn])
        except StartError as error:
            self._fail(task.arn, str(error))
            return
        del self._specs[task.arn]
        self._state.change_task(task.arn, lambda t: transitions.observed(t, observation))

    def _start(self, task: Task, operation: TaskOperation) -> None:
        try:
            self._hands.runtime.start_container(task.arn, operation.container_name)
        except StartError as error:
            name, reason = operation.container_name, str(error)
            self._state.change_task(
                task.arn, lambda t: transitions.container_failed(t, name, reason)
            )
            self._fail(task.arn, reason)

    def _report_running(self, task: Task, _: TaskOperation) -> None:
        now = self._now()
        self._state.change_task(task.arn, lambda t: transitions.running(t, now))
        log.info("task_running", extra={"task_arn": task.arn})

    def _register(self, task: Task, operation: TaskOperation) -> None:
        target, interface = operation.target, task.interface
        if target is None or interface is None:
            return
        port = target.container_port
        self._hands.registrar.register(
            target.target_group_arn,
            Target(
                id=interface.private_ipv4_address,
                port=port,
                address=task.address,
                real_port=task.ports.get(port, port),
                availability_zone=task.availability_zone,
            ),
        )
        self._change_target(task, target, registered=True)
        self._happened.registered[task.service_arn, target.target_group_arn] += 1

    def _deregister(self, task: Task, operation: TaskOperation) -> None:
        target, interface = operation.target, task.interface
        if target is None or interface is None:
            return
        self._hands.registrar.deregister(
            target.target_group_arn, interface.private_ipv4_address, target.container_port
        )
        self._change_target(task, target, registered=False)
        self._state.change_task(task.arn, transitions.deactivating)
        self._happened.deregistered[task.service_arn, target.target_group_arn] += 1
        self._happened.draining[task.service_arn].add(task.arn)

    def _change_target(self, task: Task, target: TaskTarget, *, registered: bool) -> None:
        self._hands.observer.forget(target.target_group_arn)
        self._state.change_task(
            task.arn, lambda t: transitions.target_changed(t, target, registered=registered)
        )

    def _end(self, task: Task, operation: TaskOperation) -> None:
        now = self._now()
        if operation.code == "TaskFailedToStart":
            self._fail(task.arn, operation.reason)
        elif operation.code == "Vanished":
            self._state.change_task(task.arn, lambda t: transitions.vanished(t, now))
        else:
            self._state.change_task(task.arn, lambda t: transitions.essential_exited(t, now))
        log.info("task_ended", extra={"task_arn": task.arn, "code": operation.code})

    def _report_stopping(self, task: Task, _: TaskOperation) -> None:
        self._state.change_task(task.arn, transitions.stopping)
        if task.stop_code == "ServiceSchedulerInitiated":
            self._happened.stopped[task.service_arn].append(task.id)

    def _stop(self, task: Task, operation: TaskOperation) -> None:
        key = (task.arn, operation.container_name)
        if key not in self._stops_sent:
            self._hands.runtime.stop_container(*key, operation.timeout_s)
            self._stops_sent.add(key)

    def _report_deprovisioning(self, task: Task, _: TaskOperation) -> None:
        now = self._now()
        self._state.change_task(task.arn, lambda t: transitions.deprovisioning(t, now))

    def _release(self, task: Task, _: TaskOperation) -> None:
        self._hands.pump.flush(task)
        self._hands.runtime.remove_task(task.arn)
        if task.interface is not None:
            region = arns.scope_of(task.arn).region
            self._hands.network.delete_interface(region, task.interface.id)
        now = self._now()
        self._state.change_task(task.arn, lambda t: transitions.stopped(t, now))
        self._specs.pop(task.arn, None)
        self._stops_sent -= {(task.arn, c.name) for c in task.containers}
        log.info("task_stopped", extra={"task_arn": task.arn, "reason": task.stopped_reason})

    def remove_orphan(self, observation: TaskObservation) -> None:
        """End and remove what the runtime holds and no record claims."""
        alive = [c for c in observation.containers if c.state is ContainerState.RUNNING]
        for container in alive:
            key = (observation.task_arn, container.name)
            if key not in self._stops_sent:
                self._hands.runtime.stop_container(*key, ORPHAN_STOP_S)
                self._stops_sent.add(key)
        if not alive:
            self._hands.runtime.remove_task(observation.task_arn)
            log.info("orphan_removed", extra={"task_arn": observation.task_arn})

    # Service events

    def write_events(self) -> None:
        """Write the events of this pass, one line for all tasks of a service."""
        happened, self._happened = self._happened, _Happened()
        lines: dict[str, list[Callable[[str], str]]] = defaultdict(list)
        for (service, group), count in happened.registered.items():
            say = partial(events.registered, count=count, target_group_arn=group)
            lines[service].append(say)
        for (service, group), count in happened.deregistered.items():
            say = partial(events.deregistered, count=count, target_group_arn=group)
            lines[service].append(say)
        for service, drained in happened.draining.items():
            lines[service].append(partial(events.draining, count=len(drained)))
        for service, ids in happened.stopped.items():
            lines[service].append(partial(events.stopped, task_ids=ids))
        now = self._now()
        for arn, makers in lines.items():
            service_record = self._state.services.get(arn)
            if service_record is not None:
                messages = [make(service_record.name) for make in makers]
                self._state.add_events(arn, messages, now)
