"""Records to build test cases from."""

from datetime import UTC, datetime

from sandbox.aws.elbv2.records import (
    Action,
    Condition,
    FixedResponse,
    Forward,
    HealthCheckSettings,
    Listener,
    LoadBalancer,
    QueryPair,
    Redirect,
    RegisteredTarget,
    Rule,
    TargetGroup,
    TargetPhase,
    WeightedTargetGroup,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PREFIX = "arn:aws:elasticloadbalancing:us-east-1:000000000000:"
BLUE = f"{PREFIX}targetgroup/blue/1111111111111111"
GREEN = f"{PREFIX}targetgroup/green/2222222222222222"


def group(arn: str = BLUE, **settings: object) -> TargetGroup:
    values: dict[str, object] = {
        "arn": arn,
        "name": arn.split("/")[1],
        "account_id": "000000000000",
        "region": "us-east-1",
        "protocol": "HTTP",
        "protocol_version": "HTTP1",
        "port": 5000,
        "vpc_id": "vpc-1",
        "target_type": "ip",
        "ip_address_type": "ipv4",
        "health_check": HealthCheckSettings(path="/api/health", matcher="200,202-204"),
        "created_at": NOW,
    }
    return TargetGroup(**(values | settings))  # type: ignore[arg-type]


def target(
    address: str = "127.10.0.1", phase: TargetPhase = TargetPhase.ACTIVE
) -> RegisteredTarget:
    return RegisteredTarget(
        target_group_arn=BLUE,
        id="10.0.1.5",
        port=5000,
        address=address,
        real_port=5000,
        availability_zone="us-east-1a",
        phase=phase,
        registered_at=NOW,
    )


def load_balancer(**attributes: str) -> LoadBalancer:
    return LoadBalancer(
        arn=f"{PREFIX}loadbalancer/app/lab/3333333333333333",
        name="lab",
        account_id="000000000000",
        region="us-east-1",
        scheme="internet-facing",
        ip_address_type="ipv4",
        vpc_id="vpc-1",
        subnets=(),
        security_groups=(),
        dns_name="lab-1234567890.us-east-1.elb.amazonaws.com",
        created_at=NOW,
        address="127.20.0.1",
        attributes=attributes,
    )


def forward(*weights: tuple[str, int], stickiness_s: int | None = None) -> Action:
    groups = tuple(WeightedTargetGroup(arn=arn, weight=weight) for arn, weight in weights)
    return Action(
        forward=Forward(
            target_groups=groups,
            stickiness_enabled=stickiness_s is not None,
            stickiness_duration_s=stickiness_s,
        )
    )


def listener(action: Action, protocol: str = "HTTP", **attributes: str) -> Listener:
    is_https = protocol == "HTTPS"
    return Listener(
        arn=f"{PREFIX}listener/app/lab/3333333333333333/4444444444444444",
        load_balancer_arn=load_balancer().arn,
        port=443 if is_https else 80,
        protocol=protocol,
        default_action=action,
        created_at=NOW,
        bound_port=8443 if is_https else 80,
        ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06" if is_https else "",
        certificate_arn="arn:cert-1" if is_https else "",
        extra_certificate_arns=("arn:cert-2",) if is_https else (),
        attributes=attributes,
    )


def rule(priority: int, action: Action, *conditions: Condition) -> Rule:
    return Rule(
        arn=f"{PREFIX}listener-rule/app/lab/3333333333333333/4444444444444444/{priority}",
        listener_arn=listener(action).arn,
        priority=priority,
        conditions=conditions,
        action=action,
    )


REDIRECT = Action(redirect=Redirect(status_code="HTTP_301", protocol="HTTPS", port="443"))
FIXED = Action(
    fixed_response=FixedResponse(
        status_code="404", content_type="text/plain", message_body="nothing here"
    )
)
CONDITIONS = (
    Condition(field="path-pattern", values=("/api/*", "/v?")),
    Condition(field="host-header", values=("*.example.com",)),
    Condition(field="http-header", values=("yes*",), http_header_name="X-Beta"),
    Condition(field="http-request-method", values=("GET", "HEAD")),
    Condition(
        field="query-string", query=(QueryPair(key="a", value="b*"), QueryPair(key=None, value="c"))
    ),
    Condition(field="source-ip", values=("10.0.0.0/9", "192.168.1.7/32")),
)
