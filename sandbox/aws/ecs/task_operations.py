"""Operations on tasks: they change records, the loop does the rest."""

from collections.abc import Callable, Mapping

from sandbox.aws.ecs import params as p
from sandbox.aws.ecs import responses, transitions
from sandbox.aws.ecs.arns import short_name
from sandbox.aws.ecs.cluster_operations import scope_of
from sandbox.aws.ecs.exceptions import client_exception, invalid_parameter, task_not_found
from sandbox.aws.ecs.launch import Launch, new_tasks
from sandbox.aws.ecs.launch_requests import (
    LaunchChecks,
    capacity,
    check_overrides,
    task_definition_family,
)
from sandbox.aws.ecs.records import Cluster, Task, TaskDefinition
from sandbox.aws.ecs.state import EcsState
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import not_implemented
from sandbox.types import JsonObject

MAX_RUN = 10
MAX_DESCRIBED = 100


class TaskOperations:
    """Handlers of task calls."""

    def __init__(self, state: EcsState, checks: LaunchChecks, *, wake: Callable[[], None]) -> None:
        self._state = state
        self._checks = checks
        self._wake = wake

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Operation names to handlers."""
        return {
            "RunTask": self.run,
            "StopTask": self.stop,
            "DescribeTasks": self.describe,
            "ListTasks": self.list,
        }

    def run(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Start stand-alone tasks; a repeated client token returns the tasks of the first call."""
        scope = scope_of(context)
        cluster = self._state.cluster(scope, p.text(params, "cluster"))
        definition = self._state.task_definition(scope, p.text(params, "taskDefinition"))
        if definition.status != "ACTIVE":
            raise client_exception("TaskDefinition is inactive")
        if params.get("volumeConfigurations"):
            raise not_implemented("ecs", "RunTask", "volumeConfigurations")
        count = p.integer(params, "count") or 1
        if count > MAX_RUN:
            raise invalid_parameter(f"Count cannot be greater than {MAX_RUN}.")
        launch = self._launch(context, params, cluster, definition)
        with self._state.transaction():
            tasks = self._of_token(cluster, launch.client_token)
            if not tasks:
                tasks = new_tasks(
                    launch, cluster, definition, count=count, beside=(), now=context.now
                )
                for task in tasks:
                    self._state.put_task(task)
        self._wake()
        return {"tasks": [responses.task(t, with_tags=True) for t in tasks], "failures": []}

    def _launch(
        self,
        context: RequestContext,
        params: JsonObject,
        cluster: Cluster,
        definition: TaskDefinition,
    ) -> Launch:
        overrides = p.member(params, "overrides")
        where = capacity(params, cluster, definition)
        if where.launch_type == "EC2":
            raise invalid_parameter("No Container Instances were found in your cluster.")
        check_overrides(definition, overrides)
        self._checks.check_roles(definition, overrides)
        group = p.text(params, "group") or task_definition_family(definition)
        tags = p.tags(params)
        if p.text(params, "propagateTags") == "TASK_DEFINITION":
            tags = {**definition.tags, **tags}
        if p.flag(params, "enableECSManagedTags"):
            tags["aws:ecs:clusterName"] = cluster.name
        return Launch(
            group=group,
            network=self._checks.network(params, context.region, definition),
            launch_type=where.launch_type,
            strategy=where.strategy,
            platform_version=p.text(params, "platformVersion") or "LATEST",
            started_by=p.text(params, "startedBy"),
            overrides=overrides,
            enable_execute_command=p.flag(params, "enableExecuteCommand"),
            tags=tags,
            client_token=p.text(params, "clientToken"),
        )

    def _of_token(self, cluster: Cluster, token: str) -> list[Task]:
        if not token:
            return []
        return [
            t
            for t in self._state.tasks.values()
            if t.client_token == token and t.cluster_arn == cluster.arn
        ]

    def stop(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Ask for the end of a task; one that ends already is left alone."""
        scope = scope_of(context)
        cluster = self._state.cluster(scope, p.text(params, "cluster"))
        task = self._state.task(cluster, scope, p.text(params, "task"))
        # Unverified: the reason that AWS gives when the caller gives none.
        reason = p.text(params, "reason") or "Task stopped by user"
        changed = task and self._state.change_task(
            task.arn,
            lambda t: transitions.stop_requested(
                t, code="UserInitiated", reason=reason, now=context.now
            ),
        )
        if not changed:
            raise task_not_found()
        self._wake()
        return {"task": responses.task(changed, with_tags=True)}

    def describe(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Describe tasks, those stopped within the last hour too."""
        scope, names = scope_of(context), p.texts(params, "tasks")
        cluster = self._state.cluster(scope, p.text(params, "cluster"))
        if not names:
            raise invalid_parameter("Tasks cannot be empty.")
        if len(names) > MAX_DESCRIBED:
            raise invalid_parameter(f"Tasks cannot have more than {MAX_DESCRIBED} elements.")
        with_tags = "TAGS" in p.texts(params, "include")
        found: list[JsonObject] = []
        failures: list[JsonObject] = []
        for name in names:
            task = self._state.task(cluster, scope, name)
            if task is None:
                arn = scope.task(cluster.name, short_name(name))
                failures.append(responses.failure(arn))
            else:
                found.append(responses.task(task, with_tags=with_tags))
        return {"tasks": found, "failures": failures}

    def list(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """List task ARNs by the filters of the API, oldest first."""
        scope = scope_of(context)
        cluster = self._state.cluster(scope, p.text(params, "cluster"))
        if p.text(params, "containerInstance"):
            raise not_implemented("ecs", "ListTasks", "containerInstance")
        service = p.text(params, "serviceName")
        candidates = (
            self._state.tasks_of_service(self._state.service(cluster, scope, service).arn)
            if service
            else self._state.tasks.values()
        )
        status = p.text(params, "desiredStatus") or "RUNNING"
        found = [
            t
            for t in candidates
            if t.cluster_arn == cluster.arn and t.desired_status == status and _matches(t, params)
        ]
        found.sort(key=lambda t: (t.created_at, t.arn))
        page, token = p.page([t.arn for t in found], params)
        return p.present(taskArns=page, nextToken=token)


def _matches(task: Task, params: JsonObject) -> bool:
    family = short_name(task.task_definition_arn).partition(":")[0]
    return (
        p.text(params, "family") in ("", family)
        and p.text(params, "startedBy") in ("", task.started_by)
        and p.text(params, "launchType") in ("", task.launch_type)
    )
