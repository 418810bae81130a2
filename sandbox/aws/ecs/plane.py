"""Puts the local ECS together: records, operations, the loop; the gateway's way in."""

from collections.abc import Callable, Mapping

from sandbox.aws.ecs import arns
from sandbox.aws.ecs import params as p
from sandbox.aws.ecs.cluster_operations import ClusterOperations
from sandbox.aws.ecs.execute import Executor, Hands
from sandbox.aws.ecs.launch_requests import LaunchChecks
from sandbox.aws.ecs.loop import EcsLoop
from sandbox.aws.ecs.observe import Observer
from sandbox.aws.ecs.prepare import Preparer, Sources
from sandbox.aws.ecs.pump import LogPump
from sandbox.aws.ecs.service_operations import ServiceOperations
from sandbox.aws.ecs.state import EcsState
from sandbox.aws.ecs.tag_operations import TagOperations
from sandbox.aws.ecs.task_definition_operations import TaskDefinitionOperations
from sandbox.aws.ecs.task_operations import TaskOperations
from sandbox.aws.ports import (
    ImageResolver,
    LogSink,
    NetworkPlane,
    RolePlane,
    SecretSource,
    TargetRegistrar,
    TaskCredentialSource,
)
from sandbox.aws.runtime.port import ContainerRuntime
from sandbox.aws.store import RecordStore
from sandbox.aws.wire import AwsService
from sandbox.clock import Now, TimeScale, utc_now
from sandbox.errors import AwsError


class EcsPlane:
    """Amazon ECS on this machine.

    Args:
        task_environment: variables that every container receives (the environment switch:
            `AWS_ENDPOINT_URL`); a task definition's own values win.
        credentials: gives each task those of its task role; None gives none.

    """

    def __init__(  # noqa: PLR0913 - one argument a port; they are all needed
        self,
        *,
        store: RecordStore,
        runtime: ContainerRuntime,
        registrar: TargetRegistrar,
        images: ImageResolver,
        logs: LogSink,
        secrets: SecretSource,
        network: NetworkPlane,
        roles: RolePlane,
        time_scale: TimeScale,
        task_environment: Mapping[str, str],
        credentials: TaskCredentialSource | None = None,
        now: Now = utc_now,
    ) -> None:
        state = self._state = EcsState(store)
        self._pump = LogPump(state, runtime, logs)
        self._preparer = Preparer(
            Sources(
                runtime=runtime,
                images=images,
                logs=logs,
                secrets=secrets,
                roles=roles,
                credentials=credentials,
            ),
            task_environment=task_environment,
            scale=time_scale,
            wake=self._wake,
        )
        observer = Observer(runtime, registrar)
        hands = Hands(
            runtime=runtime,
            registrar=registrar,
            network=network,
            preparer=self._preparer,
            pump=self._pump,
            observer=observer,
        )
        self._loop = EcsLoop(
            state,
            observer,
            self._preparer,
            Executor(state, hands, now=now),
            now=now,
            scale=time_scale,
        )
        checks = LaunchChecks(network, registrar, roles)
        self.service = _service(state, checks, self._wake)

    def start(self) -> None:
        """Adopt what runs and begin to schedule."""
        self._loop.start()
        self._pump.start()

    def stop(self) -> None:
        """Stop scheduling; tasks go on running."""
        self._loop.stop()
        self._pump.stop()
        self._preparer.close()

    def roles_of(self, scope: arns.Scope, task_definition: str) -> tuple[str, ...]:
        """Return the roles that launching from a task definition passes on."""
        try:
            document = self._state.task_definition(scope, task_definition).document
        except AwsError:
            return ()
        roles = (p.text(document, key) for key in ("executionRoleArn", "taskRoleArn"))
        return tuple(role for role in roles if role)

    def service_exists(self, scope: arns.Scope, cluster: str, service: str) -> bool:
        """Tell whether the cluster has this service, and it is not being deleted."""
        try:
            found = self._state.service(self._state.cluster(scope, cluster), scope, service)
        except AwsError:
            return False
        return found.status == "ACTIVE"

    def _wake(self) -> None:
        self._loop.wake()


def _service(state: EcsState, checks: LaunchChecks, wake: Callable[[], None]) -> AwsService:
    return AwsService(
        "ecs",
        {
            **ClusterOperations(state).handlers,
            **TaskDefinitionOperations(state).handlers,
            **ServiceOperations(state, checks, wake=wake).handlers,
            **TaskOperations(state, checks, wake=wake).handlers,
            **TagOperations(state).handlers,
        },
        invalid_parameter_code="InvalidParameterException",
    )
