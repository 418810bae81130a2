"""Step type → the module and function that runs it; loaded only when a step needs it."""

from collections.abc import Callable
from importlib import import_module

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError, StepResult

Step = Callable[[StepContext], StepResult]

STEP_MODULES = {
    "Run": "run:run",
    "Background": "background:background",
    "ShellScript": "shell_script:shell_script",
    "Http": "http:http",
    "GitClone": "git_clone:git_clone",
    "SaveCacheS3": "cache_s3:save_cache",
    "RestoreCacheS3": "cache_s3:restore_cache",
    "BuildAndPushECR": "build_and_push_ecr:build_and_push_ecr",
    "Bandit": "bandit:bandit",
    "EcrArtifact": "ecr_artifact:ecr_artifact",
    "EcsRollingDeploy": "ecs_rolling_deploy:ecs_rolling_deploy",
    "EcsRollingRollback": "ecs_rolling_rollback:ecs_rolling_rollback",
    "EcsCanaryDeploy": "ecs_canary_deploy:ecs_canary_deploy",
    "EcsCanaryDelete": "ecs_canary_delete:ecs_canary_delete",
    "EcsBlueGreenCreateService": "ecs_blue_green_create_service:create_service",
    "EcsBlueGreenSwapTargetGroups": "ecs_blue_green_swap_target_groups:swap_target_groups",
    "EcsBlueGreenTrafficShift": "ecs_blue_green_traffic_shift:traffic_shift",
    "EcsBlueGreenRollback": "ecs_blue_green_rollback:blue_green_rollback",
    "StandAloneTrafficShiftRollback": "ecs_stand_alone_traffic_shift_rollback:rollback",
}
"""Also what the delegate tells the manager that it can run."""


def load_step(step_type: str) -> Step:
    """Return the function of a step type.

    Raises:
        StepFailedError: this delegate has no such step.
    """
    target = STEP_MODULES.get(step_type)
    if target is None:
        raise StepFailedError(f"This delegate cannot run step type [{step_type}].")
    module, _, name = target.partition(":")
    step: Step = getattr(import_module(f"fake_harness.delegate.steps.{module}"), name)
    return step
