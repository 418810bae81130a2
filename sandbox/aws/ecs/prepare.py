"""Everything a task needs before its containers exist: roles, images, secrets, log groups.

Runs in a small pool, since pulls take long; it writes no record. Secrets stay in memory.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

from sandbox.aws.ecs import arns
from sandbox.aws.ecs import params as p
from sandbox.aws.ecs.containers import (
    ContainerDefinition,
    container_definitions,
    container_spec,
)
from sandbox.aws.ecs.records import Task, TaskDefinition
from sandbox.aws.ports import (
    ImageResolver,
    LogSink,
    RolePlane,
    SecretSource,
    TaskCredentialSource,
)
from sandbox.aws.runtime.port import ContainerRuntime, ImagePullError, TaskSpec
from sandbox.clock import TimeScale
from sandbox.errors import AwsError

WORKERS = 4
_INIT = "ResourceInitializationError: "
_SECRETS = _INIT + (
    "unable to pull secrets or registry auth: execution resource retrieval failed: "
)

log = logging.getLogger(__name__)


class PrepareError(Exception):
    """The task cannot start; the text is its stoppedReason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The outcome for one task: what to run, or why it cannot."""

    task_arn: str
    spec: TaskSpec | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The ports that a task's needs are met from."""

    runtime: ContainerRuntime
    images: ImageResolver
    logs: LogSink
    secrets: SecretSource
    roles: RolePlane
    credentials: TaskCredentialSource | None = None


class Preparer:
    """A pool of preparations; results are taken by the loop."""

    def __init__(
        self,
        sources: Sources,
        *,
        task_environment: Mapping[str, str],
        scale: TimeScale,
        wake: Callable[[], None],
    ) -> None:
        self._sources = sources
        self._task_environment = dict(task_environment)
        self._scale = scale
        self._wake = wake
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="ecs-prepare")
        self._running: set[str] = set()
        self._done: SimpleQueue[Prepared] = SimpleQueue()

    def is_running(self, task_arn: str) -> bool:
        """Tell whether the task is being prepared, or its result waits to be taken."""
        return task_arn in self._running

    def submit(self, task: Task, definition: TaskDefinition, digests: Mapping[str, str]) -> None:
        """Start preparing; `digests` are already fixed by container name. Loop thread only."""
        self._running.add(task.arn)
        future = self._pool.submit(self._prepare, task, definition, digests)
        future.add_done_callback(lambda done: self._finished(task.arn, done))

    def take(self) -> list[Prepared]:
        """Return the results since the last call. Loop thread only."""
        results = []
        while not self._done.empty():
            result = self._done.get()
            self._running.discard(result.task_arn)
            results.append(result)
        return results

    def close(self) -> None:
        """Drop what waits; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _finished(self, task_arn: str, done: "Future[Prepared]") -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._done.put(done.result())
        else:
            # The top of a worker: a bug in one preparation must end that task, not the loop.
            log.error("task_prepare_failed", exc_info=error, extra={"task_arn": task_arn})
            failure = f"{_INIT}{type(error).__name__}: {error}"
            self._done.put(Prepared(task_arn=task_arn, failure=failure))
        self._wake()

    def _prepare(
        self, task: Task, definition: TaskDefinition, digests: Mapping[str, str]
    ) -> Prepared:
        containers = container_definitions(definition, task.overrides)
        try:
            self._check_roles(task, definition)
            shared = {**self._task_environment, **self._credentials(task, definition)}
            environments = {c.name: self._environment(task, c, shared) for c in containers}
            for container in containers:
                self._check_log_group(container)
            found = {c.name: self._pull(c, digests.get(c.name, "")) for c in containers}
        except PrepareError as error:
            return Prepared(task_arn=task.arn, failure=str(error))
        spec = TaskSpec(
            task_arn=task.arn,
            cluster=arns.short_name(task.cluster_arn),
            family=definition.family,
            containers=tuple(
                container_spec(
                    c,
                    digest=found[c.name],
                    environment=environments[c.name],
                    scale=self._scale,
                )
                for c in containers
            ),
            cpu_units=int(task.cpu or 0),
            memory_mib=int(task.memory or 0),
            labels={"sandbox.ecs.task-arn": task.arn, "sandbox.ecs.group": task.group},
        )
        return Prepared(task_arn=task.arn, spec=spec, digests=found)

    def _check_roles(self, task: Task, definition: TaskDefinition) -> None:
        for role in role_arns(task, definition):
            if not self._sources.roles.role_exists(role):
                raise PrepareError(_SECRETS + unassumable(role))

    def _credentials(self, task: Task, definition: TaskDefinition) -> Mapping[str, str]:
        if self._sources.credentials is None:
            return {}
        role = p.text(task.overrides, "taskRoleArn") or p.text(definition.document, "taskRoleArn")
        return self._sources.credentials.environment(
            role_arn=role, task_arn=task.arn, family=definition.family
        )

    def _environment(
        self, task: Task, container: ContainerDefinition, shared: Mapping[str, str]
    ) -> dict[str, str]:
        scope = arns.scope_of(task.arn)
        environment = {
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            "AWS_REGION": scope.region,
            "AWS_DEFAULT_REGION": scope.region,
            **shared,
            **container.environment,
        }
        for name, value_from in container.secrets.items():
            try:
                environment[name] = self._sources.secrets.resolve(
                    value_from, region=scope.region, account_id=scope.account_id
                )
            except AwsError as error:
                raise PrepareError(_secret_failure(value_from, error)) from error
        return environment

    def _check_log_group(self, container: ContainerDefinition) -> None:
        target = container.log
        if target is None or self._sources.logs.group_exists(target.region, target.group):
            return
        if target.create_group:
            self._sources.logs.create_group(target.region, target.group)
            return
        raise PrepareError(
            f"{_INIT}failed to validate logger args: create stream has been retried 1 times: "
            "failed to create Cloudwatch log stream: ResourceNotFoundException: The specified "
            "log group does not exist. : exit status 1"
        )

    def _pull(self, container: ContainerDefinition, digest: str) -> str:
        images, image = self._sources.images, container.image
        if not digest and images.owns(image):
            try:
                digest = images.resolve(image).digest
            except AwsError as error:
                raise PrepareError(
                    "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
                    f"failed to resolve ref {image}: {image}: not found"
                ) from error
        try:
            return self._sources.runtime.pull(image, digest)
        except ImagePullError as error:
            raise PrepareError(str(error)) from error


def role_arns(task: Task, definition: TaskDefinition) -> list[str]:
    """Return the execution role and the task role of a task, as far as it has them."""
    return [
        role
        for key in ("executionRoleArn", "taskRoleArn")
        if (role := p.text(task.overrides, key) or p.text(definition.document, key))
    ]


def unassumable(role_arn: str) -> str:
    """Return AWS's words for a role that ECS cannot assume."""
    return (
        f"ECS was unable to assume the role '{role_arn}' that was provided for this task. Please "
        "verify that the role being passed has the proper trust relationship and permissions and "
        "that your IAM user has permissions to pass this role."
    )


def _secret_failure(value_from: str, error: AwsError) -> str:
    """Source: ECS developer guide, "Troubleshoot ResourceInitializationError"."""
    if ":secretsmanager:" in value_from:
        return (
            f"{_SECRETS}unable to retrieve secret from asm: service call has been retried 1 "
            f"time(s): failed to fetch secret {value_from} from secrets manager: {error.code}: "
            f"{error.message}"
        )
    return (
        f"{_SECRETS}unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
        f"failed to fetch secrets: {value_from}: {error.code}: {error.message}"
    )
