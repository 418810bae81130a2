"""The service `web` of the ECS tests: made, read and judged by boto3."""

from typing import Any

from ecs_sandbox import NETWORK

FAST = {"Delay": 1, "MaxAttempts": 120}


def create(ecs: Any, **changes: Any) -> dict[str, Any]:
    request = {
        "cluster": "dev",
        "serviceName": "web",
        "taskDefinition": "web",
        "desiredCount": 2,
        "launchType": "FARGATE",
        "networkConfiguration": NETWORK,
        **changes,
    }
    answer: dict[str, Any] = ecs.create_service(**request)["service"]
    return answer


def service(ecs: Any, name: str = "web") -> dict[str, Any]:
    [found] = ecs.describe_services(cluster="dev", services=[name])["services"]
    return dict(found)


def messages(ecs: Any) -> list[str]:
    return [e["message"] for e in reversed(service(ecs)["events"])]


def is_steady(ecs: Any) -> bool:
    """The rule by which Harness' ECS steps wait."""
    shown = service(ecs)
    steady = [e for e in shown["events"] if e["message"].endswith("has reached a steady state.")]
    return (
        len(shown["deployments"]) == 1
        and bool(steady)
        and steady[0]["createdAt"] >= shown["deployments"][0]["updatedAt"]
        and shown["deployments"][0]["rolloutState"] == "COMPLETED"
    )


def tasks(ecs: Any, **filters: Any) -> list[dict[str, Any]]:
    arns = ecs.list_tasks(cluster="dev", **filters)["taskArns"]
    return list(ecs.describe_tasks(cluster="dev", tasks=arns)["tasks"]) if arns else []


def is_replaced(ecs: Any, task_arn: str) -> bool:
    arns = [t["taskArn"] for t in tasks(ecs)]
    return bool(arns) and task_arn not in arns
