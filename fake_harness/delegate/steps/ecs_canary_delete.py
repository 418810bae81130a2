"""`EcsCanaryDelete`. Source: harness.md 3.2 (EcsCanaryDeleteCommandTaskHandler).

Run twice: the second run finds no canary, which is a success.
"""

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import services
from fake_harness.delegate.ecs.aws import Aws, aws_failures, connect
from fake_harness.delegate.ecs.canary import canary_name
from fake_harness.delegate.ecs.manifests import read_manifests
from fake_harness.delegate.results import StepResult

_DEPLOY_STEP = "EcsCanaryDeploy"


def ecs_canary_delete(context: StepContext) -> StepResult:
    """Delete the canary service, when there is an active one."""
    with aws_failures(), context.unit("Delete Service"):
        aws = connect(context)
        name = _name(context, aws)
        if services.is_active(services.describe(aws, name).get(name)):
            services.delete(context, aws, name)
        else:
            context.log(f"Canary service {name} does not exist: nothing to delete")
    return StepResult(outputs={"canaryDeleted": True, "canaryServiceName": name})


def _name(context: StepContext, aws: Aws) -> str:
    """Return the name that the deploy step used, else that of the manifest."""
    kept = context.mapping("rollbackData").get(_DEPLOY_STEP)
    if isinstance(kept, dict) and kept.get("canaryServiceName"):
        return str(kept["canaryServiceName"])
    return canary_name(read_manifests(context, aws))
