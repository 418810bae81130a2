"""Rules and actions of a listener as Envoy's routes; pure, no I/O.

One catch-all virtual host whose routes stand in priority order, the default action last.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.aws.elbv2.attributes import LISTENER_HTTP, LOAD_BALANCER, RESPONSE_HEADER_ATTRIBUTES
from sandbox.aws.elbv2.envoy_parts import config, header, typed
from sandbox.aws.elbv2.records import (
    Action,
    Condition,
    FixedResponse,
    Forward,
    Listener,
    LoadBalancer,
    QueryPair,
    Redirect,
    Rule,
    WeightedTargetGroup,
)
from sandbox.aws.elbv2.wildcards import any_of, cidr, glob
from sandbox.types import JsonObject

SOURCE_HEADER = "x-sandbox-elb-source"
"""Written over by every listener with the client's address, so no client can forge it."""
SERVER = "awselb/2.0"
LUA_FILTER = "envoy.filters.http.lua"
STICKY_FILTER = "envoy.filters.http.stateful_session"
_STICKY_COOKIES = ("AWSALBTG", "AWSALBTGCORS")
_DEFAULT_STICKINESS_S = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class StickyTargets:
    """A target group whose clients stay with their target (`stickiness.type` lb_cookie)."""

    target_group_arn: str
    duration_s: int


def listener_name(listener: Listener) -> str:
    """Return the name under which Envoy knows a listener and its routes."""
    return listener.arn.partition(":listener/")[2]


def route_configuration(
    load_balancer: LoadBalancer,
    listener: Listener,
    rules: Sequence[Rule],
    sticky: Sequence[StickyTargets] = (),
) -> JsonObject:
    """Return the RouteConfiguration of a listener."""
    maker = _RouteMaker(load_balancer, listener, sticky)
    routes = [
        route
        for rule in sorted(rules, key=lambda rule: rule.priority)
        for route in maker.routes(str(rule.priority), rule.action, rule.conditions)
    ]
    routes += maker.routes("default", listener.default_action, ())
    return {
        "name": listener_name(listener),
        "virtual_hosts": [{"name": "rules", "domains": ["*"], "routes": routes}],
        "request_headers_to_add": request_headers(load_balancer, listener),
        "request_headers_to_remove": request_headers_to_remove(load_balancer),
        "response_headers_to_add": _response_headers(listener),
        **_server_header_removal(listener),
    }


def request_headers(load_balancer: LoadBalancer, listener: Listener) -> list[JsonObject]:
    """Return the headers that the load balancer adds for its targets."""
    settings = {**LOAD_BALANCER, **load_balancer.attributes}
    headers = [header("x-forwarded-port", str(listener.port))]
    if settings["routing.http.xff_header_processing.mode"] == "append":
        with_port = settings["routing.http.xff_client_port.enabled"] == "true"
        address = (
            "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"
            if with_port
            else "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"
        )
        headers.append(header("x-forwarded-for", address, append=True))
    tls_headers = settings["routing.http.x_amzn_tls_version_and_cipher_suite.enabled"]
    if listener.protocol == "HTTPS" and tls_headers == "true":
        headers.append(header("x-amzn-tls-version", "%DOWNSTREAM_TLS_VERSION%"))
        headers.append(header("x-amzn-tls-cipher-suite", "%DOWNSTREAM_TLS_CIPHER%"))
    return headers


def request_headers_to_remove(load_balancer: LoadBalancer) -> list[str]:
    """Return the headers that must not reach a target."""
    names = [SOURCE_HEADER, "x-envoy-internal", "x-envoy-external-address"]
    settings = {**LOAD_BALANCER, **load_balancer.attributes}
    if settings["routing.http.xff_header_processing.mode"] == "remove":
        names.append("x-forwarded-for")
    return names


def _response_headers(listener: Listener) -> list[JsonObject]:
    return [
        # A percent sign would begin one of Envoy's own placeholders.
        header(name, listener.attributes[attribute].replace("%", "%%"))
        for attribute, name in RESPONSE_HEADER_ATTRIBUTES.items()
        if listener.attributes.get(attribute)
    ]


def _server_header_removal(listener: Listener) -> JsonObject:
    settings = {**LISTENER_HTTP, **listener.attributes}
    if settings["routing.http.response.server.enabled"] == "false":
        return {"response_headers_to_remove": ["server"]}
    return {}


class _RouteMaker:
    """Makes the routes of one listener's rules."""

    def __init__(
        self, load_balancer: LoadBalancer, listener: Listener, sticky: Sequence[StickyTargets]
    ) -> None:
        settings = {**LOAD_BALANCER, **load_balancer.attributes}
        self._listener = listener
        self._sticky = {item.target_group_arn: item for item in sticky}
        self._base: JsonObject = {
            "timeout": "0s",
            "idle_timeout": f"{settings['idle_timeout.timeout_seconds']}s",
            "cluster_not_found_response_code": "SERVICE_UNAVAILABLE",
        }

    def routes(
        self, name: str, action: Action, conditions: Sequence[Condition]
    ) -> list[JsonObject]:
        """Return the routes of one rule, or of the default action without conditions."""
        matchers = [matcher(condition) for condition in conditions]
        if action.redirect is not None:
            outcomes = [redirect(self._listener, action.redirect)]
        elif action.fixed_response is not None:
            outcomes = [fixed_response(action.fixed_response)]
        else:
            assert action.forward is not None  # noqa: S101  exactly one of the three is set
            outcomes = self._forward(action.forward, matchers)
        match: JsonObject = {"prefix": "/", **({"headers": matchers} if matchers else {})}
        return [{"name": name, "match": match, **outcome} for outcome in outcomes]

    def _forward(self, forward: Forward, matchers: list[JsonObject]) -> list[JsonObject]:
        """Return the routes of a forward action: stickiness first, then the weights."""
        live = [group for group in forward.target_groups if group.effective_weight > 0]
        if not live:
            # Unverified: a rule whose groups all weigh 0 has nowhere to forward to.
            return [unavailable()]
        if len(live) == 1:
            return [self._to_one(live[0])]
        duration_s = forward.stickiness_duration_s or _DEFAULT_STICKINESS_S
        cookies = {
            group.arn: {"response_headers_to_add": _set_cookies(group, duration_s)}
            for group in live
            if forward.stickiness_enabled
        }
        clusters = [
            {
                "name": group.arn,
                "weight": group.effective_weight,
                **cookies.get(group.arn, {}),
                **self._stays(group),
            }
            for group in live
        ]
        bearers = [
            {
                **self._to_one(group),
                "match": {"prefix": "/", "headers": [*matchers, _bears(group)]},
                **cookies[group.arn],
            }
            for group in live
            if group.arn in cookies
        ]
        return [*bearers, {"route": {**self._base, "weighted_clusters": {"clusters": clusters}}}]

    def _to_one(self, group: WeightedTargetGroup) -> JsonObject:
        return {"route": {**self._base, "cluster": group.arn}, **self._stays(group)}

    def _stays(self, group: WeightedTargetGroup) -> JsonObject:
        sticky = self._sticky.get(group.arn)
        if sticky is None:
            return {}
        cookie = {"name": "AWSALB", "path": "/", "ttl": f"{sticky.duration_s}s"}
        package = "http.stateful_session.cookie.v3"
        state = typed(
            "envoy.http.stateful_session.cookie",
            f"{package}.CookieBasedSessionState",
            cookie=cookie,
        )
        per_route = config(
            "filters.http.stateful_session.v3.StatefulSessionPerRoute",
            stateful_session={"session_state": state},
        )
        return {"typed_per_filter_config": {STICKY_FILTER: per_route}}


def _bears(group: WeightedTargetGroup) -> JsonObject:
    return _header_matcher("cookie", f"(?:.*;\\s*)?AWSALBTG={_cookie_value(group)}(?:;.*)?")


def _cookie_value(group: WeightedTargetGroup) -> str:
    return hashlib.blake2b(group.arn.encode(), digest_size=32).hexdigest()


def _set_cookies(group: WeightedTargetGroup, duration_s: int) -> list[JsonObject]:
    value = f"{_cookie_value(group)}; Max-Age={duration_s}; Path=/"
    plain, cors = _STICKY_COOKIES
    return [
        header("set-cookie", f"{plain}={value}", append=True),
        header("set-cookie", f"{cors}={value}; SameSite=None; Secure", append=True),
    ]


def unavailable() -> JsonObject:
    """Return a route that answers 503 as ALB does."""
    return {"direct_response": {"status": 503, "body": {"inline_string": error_page(503)}}} | {
        "response_headers_to_add": [header("server", SERVER), header("content-type", "text/html")]
    }


REASONS = {
    301: "Moved Permanently",
    302: "Found",
    400: "Bad Request",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


def error_page(status: int) -> str:
    """Return the page that ALB answers by itself; its lines end in CRLF."""
    title = f"{status} {REASONS[status]}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )


def fixed_response(fixed: FixedResponse) -> JsonObject:
    """Return the route of a fixed-response action."""
    return {
        "direct_response": {
            "status": int(fixed.status_code),
            **({"body": {"inline_string": fixed.message_body}} if fixed.message_body else {}),
        },
        "response_headers_to_add": [
            header("server", SERVER),
            header("content-type", fixed.content_type or "text/plain"),
        ],
    }


def redirect(listener: Listener, wanted: Redirect) -> JsonObject:
    """Return the route of a redirect action.

    Envoy's own redirect has no placeholders; the listener's Lua filter answers from this
    metadata before the route's own answer is reached.
    """
    status = 302 if wanted.status_code == "HTTP_302" else 301
    template = {
        "status": str(status),
        "body": error_page(status),
        "protocol": wanted.protocol.lower(),
        "host": wanted.host,
        "port": wanted.port,
        "path": wanted.path,
        "query": wanted.query,
        "listener_protocol": listener.protocol.lower(),
        "listener_port": str(listener.port),
    }
    return {
        "direct_response": {"status": 500},
        "metadata": {"filter_metadata": {LUA_FILTER: {"redirect": template}}},
    }


def matcher(condition: Condition) -> JsonObject:
    """Return the header matcher of one condition; any of its values is enough."""
    values = condition.values
    match condition.field:
        case "path-pattern":
            paths = any_of([glob(value, any_character="[^?]") for value in values])
            return _header_matcher(":path", f"{paths}(?:\\?.*)?")
        case "host-header":
            hosts = any_of([glob(value) for value in values])
            return _header_matcher(":authority", f"(?i){hosts}(?::[0-9]+)?")
        case "http-header":
            name = condition.http_header_name.lower()
            return _header_matcher(name, "(?i)" + any_of([glob(value) for value in values]))
        case "http-request-method":
            return _header_matcher(":method", any_of([glob(value) for value in values]))
        case "query-string":
            alternatives = any_of([_query(pair) for pair in condition.query])
            return _header_matcher(":path", f"(?i)[^?]*\\?(?:.*&)?{alternatives}(?:&.*)?")
        case "source-ip":
            return _header_matcher(SOURCE_HEADER, any_of([cidr(value) for value in values]))
    raise ValueError(condition.field)


def _query(pair: QueryPair) -> str:
    value = glob(pair.value, any_character="[^&#]")
    if pair.key is None:
        # A value without a key is compared with every value, and with a bare word.
        return f"(?:[^&#=]*=)?{value}"
    return f"{glob(pair.key, any_character='[^&#]')}={value}"


def _header_matcher(name: str, pattern: str) -> JsonObject:
    return {"name": name, "string_match": {"safe_regex": {"regex": pattern}}}
