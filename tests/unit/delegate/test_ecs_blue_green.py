"""Names, versions and the live service."""

import pytest

from fake_harness.delegate.ecs import blue_green
from fake_harness.delegate.ecs.blue_green import OldService, Release
from fake_harness.delegate.ecs.rules import ListenerRule, TargetGroups
from fake_harness.delegate.ecs.scaling import Scaling
from fake_harness.delegate.ecs.services import is_contained
from fake_harness.delegate.results import JsonObject

GROUPS = TargetGroups(prod="p", stage="s")


def service(group: str, version: str = "", status: str = "ACTIVE") -> JsonObject:
    tags = [{"key": "BG_VERSION", "value": version}] if version else []
    return {"status": status, "loadBalancers": [{"targetGroupArn": group}], "tags": tags}


@pytest.mark.parametrize(
    ("services", "blue"),
    [
        pytest.param({}, None, id="none yet"),
        pytest.param({"w__1": service("p", "BLUE")}, "w__1", id="tagged and behind prod"),
        pytest.param({"w__1": service("p", "GREEN")}, "w__1", id="the target group beats the tag"),
        pytest.param({"w__1": service("x", "BLUE")}, "w__1", id="behind a group of another rule"),
        pytest.param({"w__1": service("s", "BLUE")}, None, id="behind stage"),
        pytest.param({"w__1": service("p", "BLUE", "INACTIVE")}, None, id="inactive"),
        pytest.param({"w__1": service("p", "BLUE", "DRAINING")}, None, id="draining"),
        pytest.param(
            {"w__1": service("s", "BLUE"), "w__2": service("p", "GREEN")},
            "w__2",
            id="tags that a crash left behind",
        ),
    ],
)
def test_blue_is_the_service_that_has_the_traffic(
    services: dict[str, JsonObject], blue: str | None
) -> None:
    assert blue_green.blue_of(services, GROUPS) == blue


@pytest.mark.parametrize(
    ("blue", "new"), [(None, "w__1"), ("w__1", "w__2"), ("w__2", "w__1"), ("w", "w__1")]
)
def test_names_alternate(blue: str | None, new: str) -> None:
    assert blue_green.other_name("w", blue) == new


def test_rollback_data_are_plain_json() -> None:
    rule = ListenerRule(listener_arn="l", arn="r", is_default=False, actions=({"Type": "forward"},))
    old = OldService(
        name="w__1", request={"desiredCount": 2}, scaling=Scaling(targets=({"MinCapacity": 1},))
    )
    release = Release(
        load_balancer="lb",
        prod=rule,
        stage=rule,
        groups=GROUPS,
        is_traffic_shift=True,
        defers_scaling=False,
        new_service="w__2",
        old=old,
    )
    assert release.wire()["isFirstDeployment"] is False
    assert release.wire()["oldService"] == {
        "name": "w__1",
        "request": {"desiredCount": 2},
        "scalableTargets": [{"MinCapacity": 1}],
        "scalingPolicies": [],
    }


@pytest.mark.parametrize(
    ("wanted", "live", "contained"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": 1}, {}, False),
        ({"a": {"b": 1}}, {"a": 1}, False),
    ],
)
def test_an_update_that_asks_for_what_is_there_is_known(
    wanted: JsonObject, live: JsonObject, *, contained: bool
) -> None:
    assert is_contained(wanted, live) is contained
