"""Real traffic through load balancers made with boto3, served by a real Envoy."""

from collections import Counter
from collections.abc import Iterator

import pytest
import requests
from elbv2_server import Alb, World, fixed, forward, world


@pytest.fixture(scope="module")
def made() -> Iterator[World]:
    with world() as w:
        yield w


@pytest.fixture
def alb(made: World, request: pytest.FixtureRequest) -> Iterator[Alb]:
    name = (
        request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")[:24].strip("-")
    )
    alb = Alb(made, name)
    yield alb
    alb.elb.delete_load_balancer(LoadBalancerArn=alb.arn)
    for group in alb.elb.describe_target_groups()["TargetGroups"]:
        alb.elb.delete_target_group(TargetGroupArn=group["TargetGroupArn"])


def split(alb: Alb, path: str, count: int) -> Counter[str]:
    with requests.Session() as session:
        session.trust_env = False
        url = alb.url(path)
        return Counter(session.get(url).headers["x-target"] for _ in range(count))


def test_a_registered_target_becomes_healthy_and_gets_the_traffic(alb: Alb, made: World) -> None:
    group = alb.group("web")
    alb.listener(group)
    target = made.target("one")
    alb.register(group, target)
    alb.await_healthy(group, target)
    answer = alb.get("/hello?x=1")
    seen = answer.json()
    assert answer.status_code == 200
    assert seen["path"] == "/hello?x=1"
    assert seen["headers"]["host"] == alb.dns_name
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["x-forwarded-proto"] == "http"
    assert seen["headers"]["x-forwarded-port"] == "80"
    assert seen["headers"]["x-amzn-trace-id"].startswith("Root=1-")
    assert not [name for name in seen["headers"] if name.startswith(("x-envoy", "x-sandbox"))]


@pytest.mark.parametrize(("weights", "share"), [((90, 10), 0.9), ((1, 3), 0.25), ((0, 100), 0.0)])
def test_weights_split_the_traffic(
    alb: Alb, made: World, weights: tuple[int, int], share: float
) -> None:
    blue, green = alb.group("blue"), alb.group("green")
    listener = alb.listener(fixed("default"))
    rule = alb.elb.create_rule(
        ListenerArn=listener,
        Priority=10,
        Conditions=[{"Field": "path-pattern", "Values": ["/api/*"]}],
        Actions=[forward(blue, green, weights=(100, 0))],
    )["Rules"][0]["RuleArn"]
    one, two = made.target("blue"), made.target("green")
    alb.register(blue, one)
    alb.register(green, two)
    alb.await_healthy(blue, one)
    alb.await_healthy(green, two)
    assert split(alb, "/api/x", 50) == {"blue": 50}
    alb.elb.modify_rule(RuleArn=rule, Actions=[forward(blue, green, weights=weights)])
    counts = split(alb, "/api/x", 2000)
    assert sum(counts.values()) == 2000
    assert abs(counts["blue"] / 2000 - share) <= 0.03
