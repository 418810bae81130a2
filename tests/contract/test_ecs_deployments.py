"""ECS deployments by boto3 over HTTP: rolling, scaled, failing, rolled back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ecs_sandbox import (
    LOAD_BALANCERS,
    REGION,
    TARGET_GROUP,
    World,
    web_definition,
)
from ecs_web_service import FAST, create, is_steady, messages, service, tasks
from patience import eventually

from sandbox.aws.runtime.fake import Program


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def ecs(world: World) -> Iterator[Any]:
    with world.client() as client:
        client.create_cluster(clusterName="dev")
        client.register_task_definition(**web_definition())
        yield client


def test_service_reaches_the_steady_state_with_its_targets_registered(
    ecs: Any, world: World
) -> None:
    create(ecs, loadBalancers=LOAD_BALANCERS)
    ecs.get_waiter("services_stable").wait(cluster="dev", services=["web"], WaiterConfig=FAST)
    eventually(lambda: is_steady(ecs))
    running = tasks(ecs)
    assert {t["lastStatus"] for t in running} == {"RUNNING"}
    addresses = {
        d["value"]
        for t in running
        for d in t["attachments"][0]["details"]
        if d["name"] == "privateIPv4Address"
    }
    assert {i for i, _ in world.registrar.targets[TARGET_GROUP]} == addresses
    for target in world.registrar.targets[TARGET_GROUP].values():
        assert target.address.startswith("127.")
    assert {t["availabilityZone"] for t in running} == {REGION + "a", REGION + "b"}


def test_events_tell_the_story_in_order(ecs: Any) -> None:
    create(ecs, desiredCount=1, loadBalancers=LOAD_BALANCERS)
    eventually(lambda: is_steady(ecs))
    [task] = tasks(ecs)
    deployment = service(ecs)["deployments"][0]["id"]
    assert messages(ecs) == [
        f"(service web) has started 1 tasks: (task {task['taskArn'].rpartition('/')[2]}).",
        f"(service web) registered 1 targets in (target-group {TARGET_GROUP})",
        f"(service web) (deployment {deployment}) deployment completed.",
        "(service web) has reached a steady state.",
    ]


def test_rolling_update_replaces_tasks_and_drains_the_old(ecs: Any, world: World) -> None:
    world.registrar.drains_at_once = False
    create(ecs, loadBalancers=LOAD_BALANCERS)
    eventually(lambda: is_steady(ecs))
    old = {t["taskArn"] for t in tasks(ecs)}
    ecs.register_task_definition(**web_definition("example/web:2"))
    updated = ecs.update_service(cluster="dev", service="web", taskDefinition="web:2")["service"]
    primary, active = updated["deployments"]
    assert (primary["status"], primary["rolloutState"]) == ("PRIMARY", "IN_PROGRESS")
    assert active["status"] == "ACTIVE"
    eventually(lambda: service(ecs)["runningCount"] == 2 and len(_draining(ecs, old)) == 2)
    assert len(service(ecs)["deployments"]) == 2
    assert not is_steady(ecs)
    world.registrar.finish_draining()
    eventually(lambda: is_steady(ecs))
    new = tasks(ecs)
    assert {t["containers"][0]["image"] for t in new} == {"example/web:2"}
    ended = ecs.describe_tasks(cluster="dev", tasks=sorted(old))["tasks"]
    assert {t["stopCode"] for t in ended} == {"ServiceSchedulerInitiated"}
    assert {t["stoppedReason"] for t in ended} == {
        f"Scaling activity initiated by (deployment {primary['id']})"
    }
    told = messages(ecs)
    first_drain = next(i for i, m in enumerate(told) if "has begun draining connections" in m)
    first_stop = next(i for i, m in enumerate(told) if "has stopped" in m)
    assert first_drain < first_stop


def _draining(ecs: Any, arns: set[str]) -> list[dict[str, Any]]:
    found = ecs.describe_tasks(cluster="dev", tasks=sorted(arns))["tasks"]
    return [t for t in found if t["lastStatus"] == "DEACTIVATING"]


def test_same_task_definition_starts_no_deployment_but_force_does(ecs: Any) -> None:
    before = create(ecs, desiredCount=1)["deployments"][0]["id"]
    same = ecs.update_service(cluster="dev", service="web", taskDefinition="web:1")["service"]
    assert [d["id"] for d in same["deployments"]] == [before]
    forced = ecs.update_service(cluster="dev", service="web", forceNewDeployment=True)["service"]
    assert forced["deployments"][0]["id"] != before


def test_desired_count_changes_without_a_new_deployment(ecs: Any) -> None:
    first = create(ecs, desiredCount=1)["deployments"][0]["id"]
    eventually(lambda: is_steady(ecs))
    ecs.update_service(cluster="dev", service="web", desiredCount=3)
    eventually(lambda: is_steady(ecs) and service(ecs)["runningCount"] == 3)
    ecs.update_service(cluster="dev", service="web", desiredCount=0)
    eventually(lambda: is_steady(ecs) and service(ecs)["runningCount"] == 0)
    assert service(ecs)["deployments"][0]["id"] == first


def test_crashing_service_backs_off_and_says_so(ecs: Any, world: World) -> None:
    world.machine.programs["example/web:1"] = Program(exit_code=1)
    create(ecs, desiredCount=1)
    eventually(lambda: any("is unable to consistently start tasks" in m for m in messages(ecs)))
    assert service(ecs)["deployments"][0]["failedTasks"] >= 3


def test_circuit_breaker_rolls_back(ecs: Any, world: World) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    first = create(ecs, deploymentConfiguration=breaker)["deployments"][0]["id"]
    eventually(lambda: is_steady(ecs))
    world.machine.programs["example/web:2"] = Program(exit_code=1)
    ecs.register_task_definition(**web_definition("example/web:2"))
    ecs.update_service(cluster="dev", service="web", taskDefinition="web:2")
    eventually(lambda: any("rolling back to deployment" in m for m in messages(ecs)))
    eventually(lambda: is_steady(ecs))
    shown = service(ecs)
    assert shown["deployments"][0]["id"] == first
    assert shown["taskDefinition"].endswith(":task-definition/web:1")
    assert shown["runningCount"] == 2


def test_circuit_breaker_without_rollback_stalls_as_failed(ecs: Any, world: World) -> None:
    world.machine.programs["example/web:1"] = Program(exit_code=1)
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    create(ecs, desiredCount=1, deploymentConfiguration=breaker)
    eventually(lambda: service(ecs)["deployments"][0]["rolloutState"] == "FAILED")
    assert service(ecs)["deployments"][0]["rolloutStateReason"] == (
        "ECS deployment circuit breaker: tasks failed to start."
    )


def test_deployment_runs_one_digest_even_when_the_tag_moves(ecs: Any, world: World) -> None:
    image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/web:1"
    ecs.register_task_definition(**web_definition(image))
    create(ecs, desiredCount=1)
    eventually(lambda: is_steady(ecs))
    world.images.missing.add(image)
    ecs.update_service(cluster="dev", service="web", desiredCount=2)
    eventually(lambda: is_steady(ecs) and service(ecs)["runningCount"] == 2)
    assert len({t["containers"][0]["imageDigest"] for t in tasks(ecs)}) == 1
