"""`EcsRollingRollback`. Source: harness.md 3.2 (EcsRollingRollbackCommandTaskHandler).

Run twice: the second run finds the service as it should be.
"""

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import rolling, scaling, services
from fake_harness.delegate.ecs.aws import Aws, aws_failures, connect
from fake_harness.delegate.ecs.rolling import RollingState
from fake_harness.delegate.results import JsonObject, StepFailedError, StepResult


def ecs_rolling_rollback(context: StepContext) -> StepResult:
    """Put the service back to what the deploy step found, or delete a new one."""
    with aws_failures(), context.unit("Rollback"):
        if "rollbackData" not in context.params:
            raise StepFailedError("The task package has no params.rollbackData.")
        state = rolling.from_wire(context.mapping("rollbackData").get(rolling.DEPLOY_STEP))
        if state is None:
            context.log("No deployment was begun in this stage: nothing to roll back")
            return StepResult()
        aws = connect(context)
        if state.request is None:
            services.delete(context, aws, state.service_name)
        else:
            _restore(context, aws, state, state.request)
    return StepResult(outputs={"serviceName": state.service_name})


def _restore(context: StepContext, aws: Aws, state: RollingState, stored: JsonObject) -> None:
    name = state.service_name
    live = services.describe(aws, name).get(name)
    count = int(str(stored.get("desiredCount") or 0))
    if live is None or not services.is_active(live):
        services.create(context, aws, {**stored, "cluster": aws.cluster})
    else:
        scaling.remove(context, aws, name)
        count = max(count, int(str(live.get("desiredCount") or 0)))
        request = {**stored, "cluster": aws.cluster, "desiredCount": count}
        services.update(context, aws, services.update_request(aws, request), live)
    scaling.apply(context, aws, name, state.scaling)
    services.log_running_tasks(context, aws, name)
