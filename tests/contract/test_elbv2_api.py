"""The API as boto3 sees it: shapes, idempotency, refusals; no Envoy runs here."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from elbv2_server import SUBNETS, VPC, Alb, World, fixed, forward

# NotImplemented is no error of the model, and moto's serializer says so as a warning.
pytestmark = pytest.mark.filterwarnings("ignore:Exception.*NotImplemented:UserWarning")


@pytest.fixture
def made() -> Iterator[World]:
    w = World()
    w.start_plane()
    yield w
    w.close()


@pytest.fixture
def alb(made: World) -> Alb:
    return Alb(made)


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Code"])


def test_a_load_balancer_looks_as_on_aws(alb: Alb) -> None:
    record = alb.elb.describe_load_balancers(Names=["lab"])["LoadBalancers"][0]
    arn = r"arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/lab/[0-9a-f]{16}"
    assert re.fullmatch(arn, record["LoadBalancerArn"])
    assert re.fullmatch(r"lab-\d{10}\.us-east-1\.elb\.amazonaws\.com", record["DNSName"])
    assert record["CanonicalHostedZoneId"] == "Z35SXDOTRQ7X7K"
    assert record["State"] == {"Code": "active"}
    assert record["Scheme"] == "internet-facing"
    assert record["VpcId"] == VPC
    assert record["SecurityGroups"] == ["sg-1"]
    assert [(z["ZoneName"], z["SubnetId"]) for z in record["AvailabilityZones"]] == [
        ("us-east-1a", "subnet-a"),
        ("us-east-1b", "subnet-b"),
    ]
    internal = alb.elb.create_load_balancer(Name="in", Subnets=SUBNETS, Scheme="internal")
    assert internal["LoadBalancers"][0]["DNSName"].startswith("internal-in-")
    alb.elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[alb.arn])


def test_creating_the_same_again_answers_the_same(alb: Alb) -> None:
    again = alb.elb.create_load_balancer(
        Name="lab", Subnets=list(reversed(SUBNETS)), SecurityGroups=["sg-1"]
    )
    assert again["LoadBalancers"][0]["LoadBalancerArn"] == alb.arn
    group = alb.group("web")
    assert alb.group("web") == group
    listener = alb.listener(group)
    assert alb.listener(group) == listener
    rule: dict[str, Any] = {
        "ListenerArn": listener,
        "Priority": 5,
        "Conditions": [{"Field": "path-pattern", "Values": ["/x"]}],
        "Actions": [fixed("x")],
    }
    first = alb.elb.create_rule(**rule)["Rules"][0]["RuleArn"]
    assert alb.elb.create_rule(**rule)["Rules"][0]["RuleArn"] == first


def test_creating_another_under_the_same_name_is_refused(alb: Alb) -> None:
    group = alb.group("web")
    listener = alb.listener(group)
    with pytest.raises(ClientError, match="exists, but with different settings") as refused:
        alb.elb.create_load_balancer(Name="lab", Subnets=SUBNETS, Scheme="internal")
    assert code(refused) == "DuplicateLoadBalancerName"
    with pytest.raises(ClientError, match="exists, but with different settings") as refused:
        alb.group("web", Port=81)
    assert code(refused) == "DuplicateTargetGroupName"
    with pytest.raises(ClientError) as refused:
        alb.listener(fixed("other"))
    assert code(refused) == "DuplicateListener"
    condition = [{"Field": "path-pattern", "Values": ["/x"]}]
    alb.elb.create_rule(
        ListenerArn=listener, Priority=5, Conditions=condition, Actions=[fixed("x")]
    )
    with pytest.raises(ClientError, match="Priority '5' is currently in use") as refused:
        alb.elb.create_rule(
            ListenerArn=listener, Priority=5, Conditions=condition, Actions=[fixed("y")]
        )
    assert code(refused) == "PriorityInUse"


def test_a_target_group_is_in_use_until_no_listener_or_rule_names_it(alb: Alb) -> None:
    group, other = alb.group("web"), alb.group("other")
    listener = alb.listener(group)
    with pytest.raises(ClientError, match="in use by a listener or a rule") as refused:
        alb.elb.delete_target_group(TargetGroupArn=group)
    assert code(refused) == "ResourceInUse"
    found = alb.elb.describe_target_groups(LoadBalancerArn=alb.arn)["TargetGroups"]
    assert [(x["TargetGroupArn"], x["LoadBalancerArns"]) for x in found] == [(group, [alb.arn])]
    alb.elb.modify_listener(ListenerArn=listener, DefaultActions=[forward(other)])
    alb.elb.delete_target_group(TargetGroupArn=group)
    alb.elb.delete_target_group(TargetGroupArn=group)
    with pytest.raises(ClientError) as refused:
        alb.elb.describe_target_groups(TargetGroupArns=[group])
    assert code(refused) == "TargetGroupNotFound"


def test_a_target_group_belongs_to_one_load_balancer(alb: Alb, made: World) -> None:
    group = alb.group("web")
    alb.listener(group)
    with pytest.raises(ClientError) as refused:
        Alb(made, "other").listener(group)
    assert code(refused) == "TargetGroupAssociationLimit"


def test_deleting_a_load_balancer_takes_its_listeners_and_rules_along(alb: Alb) -> None:
    group = alb.group("web")
    listener = alb.listener(group)
    key = "deletion_protection.enabled"
    for value in ("true", "false"):
        alb.elb.modify_load_balancer_attributes(
            LoadBalancerArn=alb.arn, Attributes=[{"Key": key, "Value": value}]
        )
        if value == "true":
            with pytest.raises(ClientError, match="deletion protection") as refused:
                alb.elb.delete_load_balancer(LoadBalancerArn=alb.arn)
            assert code(refused) == "OperationNotPermitted"
    alb.elb.delete_load_balancer(LoadBalancerArn=alb.arn)
    alb.elb.delete_load_balancer(LoadBalancerArn=alb.arn)
    with pytest.raises(ClientError) as refused:
        alb.elb.describe_listeners(ListenerArns=[listener])
    assert code(refused) == "ListenerNotFound"
    alb.elb.delete_target_group(TargetGroupArn=group)
    alb.elb.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[alb.arn])


def test_actions_are_answered_as_aws_spells_them(alb: Alb) -> None:
    blue, green = alb.group("blue"), alb.group("green")
    listener = alb.listener(blue)

    def answered(action: dict[str, object]) -> dict[str, Any]:
        done = alb.elb.modify_listener(ListenerArn=listener, DefaultActions=[action])
        return dict(done["Listeners"][0]["DefaultActions"][0])

    off = {"Enabled": False}
    assert answered(forward(blue)) == {
        "Type": "forward",
        "TargetGroupArn": blue,
        "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": blue, "Weight": 1}],
            "TargetGroupStickinessConfig": off,
        },
    }
    assert answered(forward(blue, green, weights=(0, 100))) == {
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": [
                {"TargetGroupArn": blue, "Weight": 0},
                {"TargetGroupArn": green, "Weight": 100},
            ],
            "TargetGroupStickinessConfig": off,
        },
    }
    redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    assert answered({"Type": "redirect", "RedirectConfig": redirect})["RedirectConfig"] == {
        **redirect,
        "Host": "#{host}",
        "Path": "/#{path}",
        "Query": "#{query}",
    }
    rules = alb.elb.describe_rules(ListenerArn=listener)["Rules"]
    assert [(rule["Priority"], rule["IsDefault"]) for rule in rules] == [("default", True)]
    one = alb.elb.describe_rules(RuleArns=[rules[0]["RuleArn"]])["Rules"]
    assert one == rules


def test_attributes_have_awss_defaults_and_keep_changes(alb: Alb) -> None:
    group = alb.group("web")
    listener = alb.listener(group)
    kinds: list[tuple[str, dict[str, str], str, str, str]] = [
        ("load_balancer", {"LoadBalancerArn": alb.arn}, "idle_timeout.timeout_seconds", "60", "75"),
        (
            "target_group",
            {"TargetGroupArn": group},
            "deregistration_delay.timeout_seconds",
            "300",
            "7",
        ),
        (
            "listener",
            {"ListenerArn": listener},
            "routing.http.response.server.enabled",
            "true",
            "false",
        ),
    ]
    for kind, arn, key, default, other in kinds:
        describe = getattr(alb.elb, f"describe_{kind}_attributes")
        modify = getattr(alb.elb, f"modify_{kind}_attributes")

        def read(describe: Any = describe, arn: Any = arn) -> dict[str, str]:
            return {row["Key"]: row["Value"] for row in describe(**arn)["Attributes"]}

        before = read()
        assert before[key] == default
        modify(**arn, Attributes=[{"Key": key, "Value": other}])
        assert read() == before | {key: other}
        with pytest.raises(ClientError, match="not recognized"):
            modify(**arn, Attributes=[{"Key": "no.such", "Value": "1"}])
        with pytest.raises(ClientError):
            modify(**arn, Attributes=[{"Key": key, "Value": "many"}])


def test_tags_of_everything(alb: Alb) -> None:
    group = alb.group("web", Tags=[{"Key": "a", "Value": "1"}])
    listener = alb.listener(group)
    rule = alb.elb.create_rule(
        ListenerArn=listener,
        Priority=1,
        Conditions=[{"Field": "path-pattern", "Values": ["/"]}],
        Actions=[forward(group)],
    )["Rules"][0]["RuleArn"]
    arns = [alb.arn, group, listener, rule]
    alb.elb.add_tags(ResourceArns=arns, Tags=[{"Key": "b", "Value": "2"}])
    alb.elb.remove_tags(ResourceArns=arns, TagKeys=["a", "none"])
    rows = alb.elb.describe_tags(ResourceArns=arns)["TagDescriptions"]
    assert [(row["ResourceArn"], row["Tags"]) for row in rows] == [
        (arn, [{"Key": "b", "Value": "2"}]) for arn in arns
    ]


def test_lists_come_in_pages(alb: Alb) -> None:
    for number in range(5):
        alb.group(f"g{number}")
    pages = alb.elb.get_paginator("describe_target_groups").paginate(
        PaginationConfig={"PageSize": 2}
    )
    sizes = [len(page["TargetGroups"]) for page in pages]
    assert sizes == [2, 2, 1]


def test_other_regions_and_unknown_names_see_nothing(alb: Alb) -> None:
    with pytest.raises(ClientError, match="Load balancers '\\[none\\]' not found") as refused:
        alb.elb.describe_load_balancers(Names=["lab", "none"])
    assert code(refused) == "LoadBalancerNotFound"


def test_subnets_and_groups_and_address_type_can_change(alb: Alb) -> None:
    done = alb.elb.set_subnets(LoadBalancerArn=alb.arn, Subnets=["subnet-c", "subnet-b"])
    assert {z["SubnetId"] for z in done["AvailabilityZones"]} == {"subnet-b", "subnet-c"}
    groups = alb.elb.set_security_groups(LoadBalancerArn=alb.arn, SecurityGroups=["sg-1"])
    assert groups["SecurityGroupIds"] == ["sg-1"]
    kind = alb.elb.set_ip_address_type(LoadBalancerArn=alb.arn, IpAddressType="dualstack")
    assert kind["IpAddressType"] == "dualstack"
    assert alb.elb.describe_capacity_reservation(LoadBalancerArn=alb.arn)


BAD_LOAD_BALANCERS = {
    "one subnet": ({"Subnets": ["subnet-a"]}, "ValidationError", "At least two subnets"),
    "one zone twice": (
        {"Subnets": ["subnet-a", "subnet-c"]},
        "InvalidConfigurationRequest",
        "same Availability Zone",
    ),
    "unknown subnet": ({"Subnets": ["subnet-a", "subnet-x"]}, "SubnetNotFound", "subnet-x"),
    "unknown group": ({"SecurityGroups": ["sg-x"]}, "InvalidSecurityGroup", "sg-x"),
    "long name": ({"Name": "x" * 33}, "ValidationError", "longer than '32'"),
    "bad name": ({"Name": "a_b"}, "ValidationError", "alphanumeric"),
    "network": ({"Type": "network"}, "NotImplemented", "Type=network"),
}


@pytest.mark.parametrize("case", BAD_LOAD_BALANCERS)
def test_bad_load_balancers_are_refused(made: World, case: str) -> None:
    settings, expected, text = BAD_LOAD_BALANCERS[case]
    with pytest.raises(ClientError, match=re.escape(text)) as refused:
        made.client().create_load_balancer(**({"Name": "ok", "Subnets": SUBNETS} | settings))
    assert code(refused) == expected
    assert made.client().describe_load_balancers()["LoadBalancers"] == []


BAD_GROUPS = {
    "name": ({"Name": "-a"}, "ValidationError", "hyphen"),
    "interval": ({"HealthCheckIntervalSeconds": 301}, "ValidationError", "interval '301'"),
    "timeout": ({"HealthCheckTimeoutSeconds": 5}, "ValidationError", "smaller than the interval"),
    "path": ({"HealthCheckPath": "x"}, "ValidationError", "begin with a '/'"),
    "matcher": ({"Matcher": {"HttpCode": "600"}}, "ValidationError", "matcher"),
    "no vpc": ({"VpcId": ""}, "ValidationError", "VPC"),
    "tcp": ({"Protocol": "TCP"}, "NotImplemented", "Protocol=TCP"),
    "lambda": ({"TargetType": "lambda"}, "NotImplemented", "TargetType=lambda"),
    "grpc": ({"ProtocolVersion": "GRPC"}, "NotImplemented", "GRPC"),
}


@pytest.mark.parametrize("case", BAD_GROUPS)
def test_bad_target_groups_are_refused(alb: Alb, case: str) -> None:
    settings, expected, text = BAD_GROUPS[case]
    with pytest.raises(ClientError, match=re.escape(text)) as refused:
        alb.group(
            **(
                {"name": settings.get("Name", "ok")}
                | {k: v for k, v in settings.items() if k != "Name"}
            )
        )
    assert code(refused) == expected


NONE = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/none/0123456789abcdef"
PATH = {"Field": "path-pattern", "Values": ["/x"]}
BAD_RULES: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown group": ({"Actions": [forward(NONE)]}, "TargetGroupNotFound", "none/0123"),
    "weight": ({"Actions": [forward(NONE, weights=[1000])]}, "ValidationError", "1000"),
    "six groups": (
        {"Actions": [forward(*(f"{NONE}{n}" for n in range(6)), weights=[1] * 6)]},
        "TooManyUniqueTargetGroupsPerLoadBalancer",
        "at most 5",
    ),
    "two actions": ({"Actions": [fixed("a"), fixed("b")]}, "TooManyActions", "one"),
    "fixed status": ({"Actions": [fixed("a", 301)]}, "ValidationError", "301"),
    "loop": (
        {"Actions": [{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301"}}]},
        "InvalidLoadBalancerAction",
        "loop",
    ),
    "login": (
        {
            "Actions": [
                {
                    "Type": "authenticate-cognito",
                    "AuthenticateCognitoConfig": {
                        "UserPoolArn": "a",
                        "UserPoolClientId": "b",
                        "UserPoolDomain": "c",
                    },
                }
            ]
        },
        "NotImplemented",
        "authenticate-cognito",
    ),
    "no condition": ({"Conditions": []}, "ValidationError", "at least one condition"),
    "field": ({"Conditions": [{"Field": "colour", "Values": ["x"]}]}, "ValidationError", "colour"),
    "twice": ({"Conditions": [PATH, PATH]}, "ValidationError", "more than one 'path-pattern'"),
    "six values": (
        {"Conditions": [{"Field": "path-pattern", "Values": [f"/{n}" for n in range(6)]}]},
        "ValidationError",
        "less than or equal to '5'",
    ),
    "cidr": (
        {"Conditions": [{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.300/8"]}}]},
        "ValidationError",
        "CIDR",
    ),
    "regex": (
        {"Conditions": [{"Field": "path-pattern", "RegexValues": ["^/x"]}]},
        "NotImplemented",
        "RegexValues",
    ),
    "priority": ({"Priority": 50001}, "ValidationError", "50001"),
}


@pytest.mark.parametrize("case", BAD_RULES)
def test_bad_rules_are_refused(alb: Alb, case: str) -> None:
    settings, expected, text = BAD_RULES[case]
    listener = alb.listener(fixed("default"))
    rule = {
        "ListenerArn": listener,
        "Priority": 1,
        "Conditions": [PATH],
        "Actions": [fixed("x")],
    } | settings
    with pytest.raises(ClientError, match=re.escape(text)) as refused:
        alb.elb.create_rule(**rule)
    assert code(refused) == expected
    assert len(alb.elb.describe_rules(ListenerArn=listener)["Rules"]) == 1


def test_what_is_not_built_names_itself(alb: Alb) -> None:
    with pytest.raises(ClientError, match=r"elbv2\.DescribeTrustStores") as refused:
        alb.elb.describe_trust_stores()
    assert code(refused) == "NotImplemented"


def test_account_limits_and_policies_are_told(alb: Alb) -> None:
    limits = {row["Name"]: row["Max"] for row in alb.elb.describe_account_limits()["Limits"]}
    assert limits["rules-per-application-load-balancer"] == "100"
    name = "ELBSecurityPolicy-TLS13-1-2-2021-06"
    policies = alb.elb.describe_ssl_policies(Names=[name])["SslPolicies"]
    assert [policy["Name"] for policy in policies] == [name]


def test_without_envoy_writes_are_kept_and_the_status_says_so(alb: Alb, made: World) -> None:
    alb.listener(fixed("x"))
    status = made.plane.status()
    assert status["envoy"] == "not connected"
    balancers = status["load_balancers"]
    assert isinstance(balancers, list)
    assert balancers[0]["listeners"][0]["state"] == "waiting"
