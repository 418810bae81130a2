"""What ELBv2 remembers: frozen records, stored whole; no wire shapes and no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Attributes = Mapping[str, str]
"""Only the attributes that differ from the defaults of `attributes.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancerSubnet:
    """One subnet of a load balancer and its Availability Zone."""

    subnet_id: str
    availability_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    """An Application Load Balancer."""

    arn: str
    name: str
    account_id: str
    region: str
    scheme: str
    ip_address_type: str
    vpc_id: str
    subnets: tuple[LoadBalancerSubnet, ...]
    security_groups: tuple[str, ...]
    dns_name: str
    created_at: datetime
    address: str
    """The loopback address that its listeners bind."""
    attributes: Attributes = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedTargetGroup:
    """A target group of a forward action; `weight` is None where none was given."""

    arn: str
    weight: int | None = None

    @property
    def effective_weight(self) -> int:
        """The weight that counts. AWS takes 1 where none is given."""
        return 1 if self.weight is None else self.weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A forward action's configuration."""

    target_groups: tuple[WeightedTargetGroup, ...]
    stickiness_enabled: bool = False
    stickiness_duration_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """A redirect action's configuration; texts may hold `#{...}` placeholders."""

    status_code: str
    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedResponse:
    """A fixed-response action's configuration."""

    status_code: str
    content_type: str | None = None
    message_body: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action; exactly one of the three configurations is set."""

    forward: Forward | None = None
    redirect: Redirect | None = None
    fixed_response: FixedResponse | None = None
    order: int | None = None

    @property
    def target_group_arns(self) -> tuple[str, ...]:
        """The target groups that this action names."""
        if self.forward is None:
            return ()
        return tuple(group.arn for group in self.forward.target_groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPair:
    """A key and value of a query-string condition; the key may be absent."""

    key: str | None
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A rule condition: any of its values must match."""

    field: str
    values: tuple[str, ...] = ()
    http_header_name: str = ""
    query: tuple[QueryPair, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A listener and its default action."""

    arn: str
    load_balancer_arn: str
    port: int
    protocol: str
    default_action: Action
    created_at: datetime
    bound_port: int
    """The port that is really bound; differs from `port` where the system forbids that."""
    ssl_policy: str = ""
    certificate_arn: str = ""
    extra_certificate_arns: tuple[str, ...] = ()
    default_rule_arn: str = ""
    attributes: Attributes = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A listener rule other than the default one."""

    arn: str
    listener_arn: str
    priority: int
    conditions: tuple[Condition, ...]
    action: Action
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheckSettings:
    """How the targets of a group are probed; seconds are AWS's, not yet time-scaled."""

    protocol: str = "HTTP"
    port: str = "traffic-port"
    path: str = "/"
    interval_s: int = 30
    timeout_s: int = 5
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    matcher: str = "200"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroup:
    """A target group of type `ip`."""

    arn: str
    name: str
    account_id: str
    region: str
    protocol: str
    protocol_version: str
    port: int
    vpc_id: str
    target_type: str
    ip_address_type: str
    health_check: HealthCheckSettings
    created_at: datetime
    attributes: Attributes = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


class TargetPhase(StrEnum):
    """Where a registered target stands; its health is Envoy's to say."""

    REGISTERING = "registering"
    """Not yet handed to the data plane."""
    ACTIVE = "active"
    DRAINING = "draining"
    """Gets no new requests; those in flight end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredTarget:
    """A target of a group and where it is really served on this machine."""

    target_group_arn: str
    id: str
    port: int
    address: str
    real_port: int
    availability_zone: str
    phase: TargetPhase
    registered_at: datetime
    phase_ends_at: datetime | None = None
    """When registration is over at the latest, or when draining is."""

    @property
    def key(self) -> str:
        """The key of this target in its table."""
        return f"{self.target_group_arn}|{self.id}|{self.port}"
