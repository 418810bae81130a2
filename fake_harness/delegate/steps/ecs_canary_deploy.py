"""`EcsCanaryDeploy`. Source: harness.md 3.2 (EcsCanaryDeployCommandTaskHandler).

The canary is a service of its own, `<service>Canary` without a delimiter, with one task.
Run twice: the canary is deleted and made anew.
"""

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.ecs import scaling, services
from fake_harness.delegate.ecs.aws import aws_failures, connect
from fake_harness.delegate.ecs.canary import canary_name
from fake_harness.delegate.ecs.manifests import read_manifests
from fake_harness.delegate.ecs.rolling import own_scaling
from fake_harness.delegate.results import StepResult


def ecs_canary_deploy(context: StepContext) -> StepResult:
    """Create the canary service."""
    with aws_failures():
        with context.unit("Fetch Manifests"):
            aws = connect(context)
            manifests = read_manifests(context, aws)
            name = canary_name(manifests)
            context.keep_for_rollback({"canaryServiceName": name})
        with context.unit("Deploy"):
            definition = services.register_task_definition(context, aws, manifests)
            request = services.create_request(
                aws, manifests, definition, serviceName=name, desiredCount=1
            )
            if services.is_active(services.describe(aws, name).get(name)):
                services.delete(context, aws, name)
            services.create(context, aws, request)
            scaling.apply(context, aws, name, own_scaling(manifests))
            services.log_running_tasks(context, aws, name)
    return StepResult(outputs={"canaryServiceName": name})
