"""Listener rules on real traffic: conditions, priorities, redirects, fixed answers."""

from collections.abc import Iterator

import pytest
from elbv2_server import Alb, World, assert_answered_by_the_load_balancer, fixed, world


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


CONDITIONS = {
    "path": {"Field": "path-pattern", "Values": ["/img/*.p?g", "/exact"]},
    "host": {"Field": "host-header", "Values": ["*.Example.com"]},
    "header": {
        "Field": "http-header",
        "HttpHeaderConfig": {"HttpHeaderName": "X-Beta", "Values": ["yes*", "1"]},
    },
    "method": {
        "Field": "http-request-method",
        "HttpRequestMethodConfig": {"Values": ["DELETE"]},
    },
    "query": {
        "Field": "query-string",
        "QueryStringConfig": {"Values": [{"Key": "version", "Value": "v?"}, {"Value": "beta*"}]},
    },
    "source": {"Field": "source-ip", "SourceIpConfig": {"Values": ["127.0.0.0/31"]}},
    "elsewhere": {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
}


@pytest.mark.parametrize(
    ("name", "path", "settings", "is_match"),
    [
        ("path", "/img/a/b.png", {}, True),
        ("path", "/img/a.png?x=/y", {}, True),
        ("path", "/img/a.jpeg", {}, False),
        ("path", "/IMG/a.png", {}, False),
        ("path", "/exact", {}, True),
        ("path", "/exact/", {}, False),
        ("path", "/?u=/exact", {}, False),
        ("host", "/", {"headers": {"Host": "API.example.COM"}}, True),
        ("host", "/", {"headers": {"Host": "api.example.com:80"}}, True),
        ("host", "/", {"headers": {"Host": "example.com"}}, False),
        ("header", "/", {"headers": {"x-beta": "YES, please"}}, True),
        ("header", "/", {"headers": {"x-beta": "11"}}, False),
        ("header", "/", {}, False),
        ("method", "/", {"method": "DELETE"}, True),
        ("method", "/", {"method": "PUT"}, False),
        ("query", "/?a=1&Version=V2", {}, True),
        ("query", "/?version=v22", {}, False),
        ("query", "/?any=beta-7", {}, True),
        ("query", "/version=v2", {}, False),
        ("source", "/", {}, True),
        ("source", "/", {"headers": {"x-sandbox-elb-source": "10.1.1.1"}}, True),
        ("elsewhere", "/", {"headers": {"x-sandbox-elb-source": "10.1.1.1"}}, False),
        ("elsewhere", "/", {"headers": {"X-Forwarded-For": "10.1.1.1"}}, False),
    ],
)
def test_conditions(
    conditioned: Alb, name: str, path: str, settings: dict[str, object], is_match: bool
) -> None:
    port = 81 + list(CONDITIONS).index(name)
    answer = conditioned.get(path, port=port, **settings)
    assert answer.text == ("matched" if is_match else "default")


@pytest.fixture(scope="module")
def conditioned(made: World) -> Alb:
    """One listener a condition."""
    alb = Alb(made, "conditions")
    for number, condition in enumerate(CONDITIONS.values()):
        listener = alb.listener(fixed("default"), Port=81 + number)
        alb.elb.create_rule(
            ListenerArn=listener, Priority=1, Conditions=[condition], Actions=[fixed("matched")]
        )
    return alb


def test_the_lowest_priority_wins_and_conditions_must_all_match(alb: Alb) -> None:
    listener = alb.listener(fixed("default"))
    path = {"Field": "path-pattern", "Values": ["/a*"]}
    rules = {}
    for priority, conditions in ((20, [path]), (10, [path, CONDITIONS["header"]])):
        rules[priority] = alb.elb.create_rule(
            ListenerArn=listener,
            Priority=priority,
            Conditions=conditions,
            Actions=[fixed(f"rule {priority}")],
        )["Rules"][0]["RuleArn"]
    assert alb.get("/a", headers={"X-Beta": "1"}).text == "rule 10"
    assert alb.get("/a").text == "rule 20"
    assert alb.get("/b", headers={"X-Beta": "1"}).text == "default"
    swap = [{"RuleArn": rules[20], "Priority": 10}, {"RuleArn": rules[10], "Priority": 20}]
    alb.elb.set_rule_priorities(RulePriorities=swap)
    assert alb.get("/a", headers={"X-Beta": "1"}).text == "rule 20"
    alb.elb.delete_rule(RuleArn=rules[20])
    assert alb.get("/a", headers={"X-Beta": "1"}).text == "rule 10"


@pytest.mark.parametrize(
    ("config", "path", "location"),
    [
        ({"Protocol": "HTTPS", "Port": "443"}, "/a?b=c", "https://{host}:443/a?b=c"),
        ({"Host": "new.example.com"}, "/", "http://new.example.com:80/"),
        (
            {"Path": "/x/#{path}/y", "Query": "h=#{host}&#{query}&p=#{port}"},
            "/a/b?c",
            "http://{host}:80/x/a/b/y?h={host}&c&p=80",
        ),
        ({"Path": "/flat", "Query": ""}, "/a?b=c", "http://{host}:80/flat"),
    ],
)
def test_redirects_fill_their_placeholders(
    alb: Alb, config: dict[str, str], path: str, location: str
) -> None:
    config = config | {"StatusCode": "HTTP_301"}
    alb.listener({"Type": "redirect", "RedirectConfig": config})
    answer = alb.get(path)
    assert_answered_by_the_load_balancer(answer, "301 Moved Permanently")
    assert answer.headers["location"] == location.replace("{host}", alb.dns_name)


def test_a_fixed_response_is_as_configured(alb: Alb) -> None:
    alb.listener(fixed("closed", 503))
    answer = alb.get()
    assert (answer.status_code, answer.text) == (503, "closed")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["server"] == "awselb/2.0"
