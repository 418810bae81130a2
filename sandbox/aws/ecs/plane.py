"""Puts the local ECS together: records, operations, the loop; the gateway's way in."""

from collections.abc import Callable, Mapping

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
)
from sandbox.aws.runtime.port import ContainerRuntime
from sandbox.aws.store import RecordStore
from sandbox.aws.wire import AwsService
from sandbox.clock import Now, TimeScale, utc_now


class EcsPlane:
    """Amazon ECS on this machine.

    Args:
        task_environment: variables that every container receives (the environment switch:
            `AWS_ENDPOINT_URL`, credentials); a task definition's own values win.

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
        now: Now = utc_now,
    ) -> None:
        state = EcsState(store)
        self._pump = LogPump(state, runtime, logs)
        self._preparer = Preparer(
            Sources(runtime=runtime, images=images, logs=logs, secrets=secrets, roles=roles),
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
