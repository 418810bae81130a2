"""The records of the local ECS: look-ups over the store, and nothing that decides.

No port of another service may be called inside `transaction()`: the store's lock is shared.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

from sandbox.aws.ecs.arns import Scope, short_name
from sandbox.aws.ecs.exceptions import (
    cannot_describe_task_definition,
    cluster_not_found,
    service_not_found,
)
from sandbox.aws.ecs.records import (
    AccountSetting,
    Cluster,
    Family,
    LogCursor,
    Service,
    ServiceEvent,
    ServiceEvents,
    Task,
    TaskDefinition,
)
from sandbox.aws.store import RecordStore

MAX_EVENTS = 100


class EcsState:
    """Tables of ECS with the indexes that the loop needs."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self.clusters = store.table("ecs_cluster", Cluster)
        self.task_definitions = store.table("ecs_task_definition", TaskDefinition)
        self.families = store.table("ecs_family", Family)
        self.services = store.table("ecs_service", Service)
        self.tasks = store.table("ecs_task", Task)
        self.events = store.table("ecs_service_events", ServiceEvents)
        self.cursors = store.table("ecs_log_cursor", LogCursor)
        self.settings = store.table("ecs_account_setting", AccountSetting)
        self._by_service: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._active: dict[str, None] = {}
        for task in self.tasks.values():
            self._index(task)

    def transaction(self) -> AbstractContextManager[None]:
        """Open one durable change."""
        return self._store.transaction()

    # Look-ups in the caller's scope

    def cluster(self, scope: Scope, name_or_arn: str) -> Cluster:
        """Return an active cluster; an empty name is `default`.

        Raises:
            AwsError: ClusterNotFoundException.

        """
        found = self.clusters.get(scope.cluster(short_name(name_or_arn or "default")))
        if found is None or found.status != "ACTIVE":
            raise cluster_not_found()
        return found

    def service(self, cluster: Cluster, scope: Scope, name_or_arn: str) -> Service:
        """Return a service of the cluster in whatever status.

        Raises:
            AwsError: ServiceNotFoundException.

        """
        found = self.services.get(scope.service(cluster.name, short_name(name_or_arn)))
        if found is None:
            raise service_not_found()
        return found

    def task(self, cluster: Cluster, scope: Scope, id_or_arn: str) -> Task | None:
        """Return a task of the cluster, or None."""
        return self.tasks.get(scope.task(cluster.name, short_name(id_or_arn)))

    def task_definition(self, scope: Scope, name: str) -> TaskDefinition:
        """Return `family`, `family:revision` or an ARN; a family means its latest ACTIVE.

        Raises:
            AwsError: ClientException.

        """
        family, _, revision = short_name(name).partition(":")
        if revision:
            number = int(revision) if revision.isdecimal() else 0
            found = self.task_definitions.get(scope.task_definition(family, number))
            if found is None:
                raise cannot_describe_task_definition()
            return found
        revisions = [t for t in self.revisions(scope, family) if t.status == "ACTIVE"]
        if not revisions:
            raise cannot_describe_task_definition()
        return max(revisions, key=lambda t: t.revision)

    def revisions(self, scope: Scope, family: str) -> list[TaskDefinition]:
        """Return all kept revisions of a family, oldest first."""
        counter = self.families.get(scope.arn(family))
        numbers = range(1, counter.last_revision + 1) if counter else ()
        arns = (scope.task_definition(family, number) for number in numbers)
        return [t for arn in arns if (t := self.task_definitions.get(arn)) is not None]

    def services_of(self, cluster_arn: str) -> list[Service]:
        """Return the services of a cluster that are not gone."""
        return [
            s
            for s in self.services.values()
            if s.cluster_arn == cluster_arn and s.status != "INACTIVE"
        ]

    # Tasks

    def put_task(self, task: Task) -> None:
        """Write a task and keep the indexes right."""
        self.tasks.put(task.arn, task)
        self._index(task)

    def change_task(self, arn: str, change: Callable[[Task], Task]) -> Task | None:
        """Apply `change` to the task as it is now; None when it is gone."""
        with self.transaction():
            task = self.tasks.get(arn)
            if task is None:
                return None
            changed = change(task)
            if changed != task:
                if changed.last_status != task.last_status:
                    changed = replace(changed, version=task.version + 1)
                self.put_task(changed)
            return changed

    def forget_task(self, task: Task) -> None:
        """Remove a stopped task and its log cursors."""
        with self.transaction():
            self.tasks.delete(task.arn)
            for container in task.containers:
                self.cursors.delete(f"{task.arn}/{container.name}")
        self._by_service[task.service_arn].pop(task.arn, None)
        self._active.pop(task.arn, None)

    def active_tasks(self) -> list[Task]:
        """Return all tasks that are not STOPPED."""
        return self._existing(tuple(self._active))

    def tasks_of_service(self, service_arn: str) -> list[Task]:
        """Return a service's kept tasks, stopped ones too."""
        return self._existing(tuple(self._by_service[service_arn]))

    def _existing(self, arns: Iterable[str]) -> list[Task]:
        return [task for arn in arns if (task := self.tasks.get(arn)) is not None]

    def _index(self, task: Task) -> None:
        if task.service_arn:
            self._by_service[task.service_arn][task.arn] = None
        if task.last_status == "STOPPED":
            self._active.pop(task.arn, None)
        else:
            self._active[task.arn] = None

    # Service events

    def add_events(self, service_arn: str, messages: Sequence[str], now: datetime) -> None:
        """Put messages, oldest first, on top of a service's events (at most 100 are kept)."""
        if not messages:
            return
        with self.transaction():
            kept = self.events.get(service_arn) or ServiceEvents()
            fresh = tuple(
                ServiceEvent(id=str(uuid.uuid4()), created_at=now, message=message)
                for message in reversed(messages)
            )
            self.events.put(service_arn, ServiceEvents(events=(fresh + kept.events)[:MAX_EVENTS]))
