"""The blue/green steps against ECS and ELBv2: names, tags, weights, calls and rollback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from delegate_aws import SCALABLE_TARGET, SCALING_POLICY, Lab, Stage, lab

from sandbox.aws.runtime.fake import Program

CREATE, SHIFT = "EcsBlueGreenCreateService", "EcsBlueGreenTrafficShift"
SWAP, ROLLBACK = "EcsBlueGreenSwapTargetGroups", "EcsBlueGreenRollback"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with lab(tmp_path) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        found.build()
        yield found


class Releases:
    """Stages one after the other, as executions of one pipeline."""

    def __init__(self, made: Lab, folder: Path) -> None:
        self.made, self.folder, self.count = made, folder, 0

    def stage(self, **settings: Any) -> Stage:
        self.count += 1
        folder = self.folder / f"release-{self.count}"
        return Stage(lab=self.made, folder=folder, image=f"web:{self.count}", **settings)

    def create(self, stage: Stage, **params: object) -> dict[str, Any]:
        """Run the create step of a traffic shift; the stage target group is always `green`."""
        made = self.made
        shift = {"isTrafficShift": True, "stageTargetGroupArn": made.groups["green"]}
        result = stage.run(
            CREATE,
            loadBalancer="lb",
            prodListener=made.listeners["prod"],
            prodListenerRuleArn=made.rules["prod"],
            **{**shift, **params},
        )
        return dict(result.outputs)

    def release(self) -> Stage:
        stage = self.stage()
        self.create(stage)
        shift(stage, 100)
        self.made.take_calls()
        return stage


@pytest.fixture
def releases(made: Lab, tmp_path: Path) -> Releases:
    return Releases(made, tmp_path)


def shift(stage: Stage, weight: int) -> dict[str, Any]:
    wrapper = {"type": "Inherit", "spec": {"weightPercentage": weight}}
    return dict(stage.run(SHIFT, ecsTrafficShiftWrapper=wrapper).outputs)


def versions(made: Lab) -> dict[str, str]:
    return {name: s["tags"]["BG_VERSION"] for name, s in made.services().items()}


def watch_prod(made: Lab) -> list[str]:
    """Note every moment at which a target group with a share of prod has too few targets."""
    faults: list[str] = []

    def look(operation: str) -> None:
        for arn, weight in made.shares("prod").items():
            if weight > 0 and not made.world.registrar.targets.get(arn):
                faults.append(f"after {operation}: nothing behind {arn} at weight {weight}")

    made.after_call.append(look)
    return faults


def test_the_first_release_goes_to_green_and_takes_all_traffic_at_100(
    made: Lab, releases: Releases
) -> None:
    stage = releases.stage()
    outcome = releases.create(stage)
    calls = made.take_calls(reads=True)
    assert calls[:4] == [
        "DescribeLoadBalancers",
        "DescribeListeners",
        "DescribeRules",
        "DescribeServices",
    ]
    assert calls[4:7] == ["RegisterTaskDefinition", "DescribeServices", "CreateService"]
    assert outcome == {
        "isNewServiceCreated": True,
        "serviceName": "web__1",
        "loadBalancer": "lb",
        "listenerArn": made.listeners["prod"],
        "listenerRuleArn": made.rules["prod"],
        "targetGroupArn": made.groups["green"],
    }
    assert versions(made) == {"web__1": "GREEN"}
    assert made.weights() == {"blue": 100, "green": 0}
    made.take_calls()
    assert shift(stage, 100)["trafficShifted"] is True
    assert made.take_calls() == ["ModifyRule", "UntagResource", "TagResource"]
    assert made.weights() == {"blue": 0, "green": 100}
    assert versions(made) == {"web__1": "BLUE"}


def test_names_groups_and_tags_alternate_over_three_releases(made: Lab, releases: Releases) -> None:
    seen = []
    for _ in range(3):
        releases.release()
        live = [n for n, s in made.services().items() if s["tags"]["BG_VERSION"] == "BLUE"]
        carrying = [name for name, weight in made.weights().items() if weight == 100]
        seen.append((live, carrying))
    assert seen == [
        (["web__1"], ["green"]),
        (["web__2"], ["blue"]),
        (["web__1"], ["green"]),
    ]
    assert versions(made) == {"web__1": "BLUE", "web__2": "GREEN"}
    assert {n: s["desiredCount"] for n, s in made.services().items()} == {"web__1": 2, "web__2": 0}


def test_a_shift_moves_only_the_weights_until_100(made: Lab, releases: Releases) -> None:
    releases.release()
    stage = releases.stage()
    releases.create(stage)
    made.take_calls()
    for weight in (10, 25, 50):
        assert shift(stage, weight)["trafficShifted"] is False
        assert made.take_calls() == ["ModifyRule"]
        assert made.weights() == {"green": 100 - weight, "blue": weight}
        assert versions(made) == {"web__1": "BLUE", "web__2": "GREEN"}
    shift(stage, 100)
    assert made.take_calls() == [
        "ModifyRule",
        *["UntagResource", "TagResource"] * 2,
        "UpdateService",
    ]
    assert made.services()["web__1"]["desiredCount"] == 0


def test_a_shift_that_runs_twice_changes_nothing_more(made: Lab, releases: Releases) -> None:
    releases.release()
    stage = releases.stage()
    releases.create(stage)
    shift(stage, 100)
    before = (made.weights(), versions(made))
    made.take_calls()
    shift(stage, 100)
    assert (made.weights(), versions(made)) == before
    assert made.take_calls() == ["ModifyRule", "UpdateService"]


@pytest.mark.parametrize("weight", [10, 50, 100])
def test_rollback_brings_traffic_back_without_losing_a_target(
    made: Lab, releases: Releases, weight: int
) -> None:
    releases.release()
    stage = releases.stage()
    faults = watch_prod(made)
    releases.create(stage)
    shift(stage, weight)
    made.take_calls()
    stage.run(ROLLBACK)
    calls = made.take_calls()
    assert faults == []
    assert made.weights() == {"blue": 0, "green": 100}
    assert versions(made) == {"web__1": "BLUE", "web__2": "GREEN"}
    counts = {n: s["desiredCount"] for n, s in made.services().items()}
    assert counts == {"web__1": 2, "web__2": 0}
    if weight < 100:
        assert calls == ["ModifyRule", "UpdateService"]
    else:
        assert calls == [
            "UpdateService",
            "ModifyRule",
            *["UntagResource", "TagResource"] * 2,
            "UpdateService",
        ]


def test_rollback_that_runs_twice_is_the_same(made: Lab, releases: Releases) -> None:
    releases.release()
    stage = releases.stage()
    releases.create(stage)
    shift(stage, 10)
    stage.run(ROLLBACK)
    made.take_calls()
    stage.run(ROLLBACK)
    assert made.take_calls() == ["UpdateService"]
    assert made.weights() == {"blue": 0, "green": 100}


def test_rollback_of_the_first_release_deletes_its_service(made: Lab, releases: Releases) -> None:
    stage = releases.stage()
    releases.create(stage)
    stage.run(ROLLBACK)
    assert made.services() == {}
    assert made.weights() == {"blue": 100, "green": 0}


def test_a_green_that_cannot_start_leaves_prod_alone_and_is_rolled_back(
    made: Lab, releases: Releases
) -> None:
    releases.release()
    stage = releases.stage()
    faults = watch_prod(made)
    made.world.machine.programs[stage.image] = Program(exit_code=1)
    with pytest.raises(Exception, match="tasks failed to start"):
        releases.create(stage)
    made.take_calls()
    stage.run(ROLLBACK)
    assert "ModifyRule" not in made.take_calls()
    assert faults == []
    assert {n: s["desiredCount"] for n, s in made.services().items()} == {"web__1": 2, "web__2": 0}


def test_a_shift_left_half_done_is_taken_back_before_its_targets_are_replaced(
    made: Lab, releases: Releases
) -> None:
    releases.release()
    aborted = releases.stage()
    releases.create(aborted)
    shift(aborted, 25)
    made.take_calls()
    faults = watch_prod(made)
    stage = releases.stage()
    releases.create(stage)
    assert made.take_calls() == [
        "ModifyRule",
        "RegisterTaskDefinition",
        "DeleteService",
        "CreateService",
    ]
    assert made.weights() == {"blue": 0, "green": 100}
    shift(stage, 10)
    stage.run(ROLLBACK)
    assert made.weights() == {"blue": 0, "green": 100}
    assert faults == []


def test_a_retried_create_step_still_knows_the_scaling_of_blue(
    made: Lab, releases: Releases
) -> None:
    first = releases.stage()
    first.manifests = [*first._manifests(), SCALABLE_TARGET, SCALING_POLICY]
    releases.create(first)
    shift(first, 100)
    stage = releases.stage()
    made.world.machine.programs[stage.image] = Program(exit_code=1)
    with pytest.raises(Exception, match="tasks failed to start"):
        releases.create(stage)
    assert made.scaling.targets == []
    made.world.machine.programs.clear()
    releases.create(stage)
    stage.run(ROLLBACK)
    assert [t["ResourceId"] for t in made.scaling.targets] == ["service/lab/web__1"]


def test_update_green_service_updates_instead_of_replacing(made: Lab, releases: Releases) -> None:
    releases.release()
    releases.create(releases.stage())
    made.take_calls()
    outcome = releases.create(releases.stage(), updateGreenService=True)
    assert outcome["isNewServiceCreated"] is False
    assert made.take_calls() == ["RegisterTaskDefinition", "UpdateService"]


def test_swap_exchanges_the_rules_and_rollback_exchanges_them_back(
    made: Lab, releases: Releases
) -> None:
    def create(stage: Stage) -> None:
        stage.run(
            CREATE,
            loadBalancer="lb",
            prodListener=made.listeners["prod"],
            prodListenerRuleArn="",
            stageListener=made.listeners["stage"],
            stageListenerRuleArn="",
        )

    def group(listener: str) -> str:
        arns = [made.listeners[listener]]
        found = made.client("elbv2").describe_listeners(ListenerArns=arns)["Listeners"][0]
        names = {arn: name for name, arn in made.groups.items()}
        return names[found["DefaultActions"][0]["TargetGroupArn"]]

    first = releases.stage()
    create(first)
    made.take_calls()
    first.run(SWAP)
    assert made.take_calls() == ["ModifyListener"] * 2 + ["UntagResource", "TagResource"]
    assert (group("prod"), group("stage")) == ("green", "blue")
    second = releases.stage()
    create(second)
    made.take_calls()
    second.run(SWAP)
    assert made.take_calls() == [
        *["ModifyListener"] * 2,
        *["UntagResource", "TagResource"] * 2,
        "UpdateService",
    ]
    assert (group("prod"), group("stage")) == ("blue", "green")
    assert made.services()["web__1"]["desiredCount"] == 0
    second.run(ROLLBACK)
    assert made.take_calls() == [
        "UpdateService",
        *["ModifyListener"] * 2,
        *["UntagResource", "TagResource"] * 2,
        "UpdateService",
    ]
    assert (group("prod"), group("stage")) == ("green", "blue")
    assert versions(made) == {"web__1": "BLUE", "web__2": "GREEN"}


def test_scaling_leaves_blue_for_the_shift_and_returns_with_a_rollback(
    made: Lab, releases: Releases
) -> None:
    def with_scaling() -> Stage:
        stage = releases.stage()
        stage.manifests = [*stage._manifests(), SCALABLE_TARGET, SCALING_POLICY]
        return stage

    first = with_scaling()
    releases.create(first)
    shift(first, 100)
    second = with_scaling()
    made.take_calls()
    releases.create(second)
    assert made.take_calls() == [
        "DeleteScalingPolicy",
        "DeregisterScalableTarget",
        "RegisterTaskDefinition",
        "CreateService",
        "RegisterScalableTarget",
        "PutScalingPolicy",
    ]
    assert [t["ResourceId"] for t in made.scaling.targets] == ["service/lab/web__2"]
    shift(second, 10)
    second.run(ROLLBACK)
    assert [t["ResourceId"] for t in made.scaling.targets] == ["service/lab/web__1"]


def test_standalone_shifts_another_rule_and_its_rollback_restores_each_rule(
    made: Lab, releases: Releases
) -> None:
    def standalone(stage: Stage, rule: str, **weights: int) -> Any:
        rows = [{"targetGroupArn": made.groups[n], "weight": str(w)} for n, w in weights.items()]
        spec = {
            "loadBalancer": "lb",
            "listener": made.listeners["prod"],
            "listenerRuleArn": made.rules[rule],
            "forwardConfig": rows,
        }
        wrapper = {"type": "Standalone", "spec": spec}
        return stage.run(SHIFT, ecsTrafficShiftWrapper=wrapper)

    stage = releases.stage()
    releases.create(stage)
    made.take_calls()
    standalone(stage, "extra", plain=20, other=80)
    assert made.take_calls() == ["ModifyRule"]
    assert made.weights("extra") == {"plain": 20, "other": 80}
    standalone(stage, "extra", plain=0, other=100)
    shift(stage, 10)
    with pytest.raises(Exception, match="prod rule"):
        standalone(stage, "prod", blue=1, green=1)
    stage.run("StandAloneTrafficShiftRollback")
    assert made.weights("extra") == {"plain": 50, "other": 50}
    made.take_calls()
    stage.run("StandAloneTrafficShiftRollback")
    assert made.take_calls() == []


def test_a_shift_needs_a_create_step_before_it(made: Lab, releases: Releases) -> None:
    with pytest.raises(Exception, match="No EcsBlueGreenCreateService"):
        shift(releases.stage(), 10)
    assert made.take_calls(reads=True) == []


def test_a_service_definition_without_the_placeholder_is_refused(
    made: Lab, releases: Releases
) -> None:
    stage = releases.stage(target_group=made.groups["green"])
    with pytest.raises(Exception, match="<\\+targetGroupArn> does not exist in service definition"):
        releases.create(stage)
    assert made.take_calls() == []
