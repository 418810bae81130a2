"""Conditions of rules: parse and check what the API is given, and render it.

Source: ELBv2 API Reference, RuleCondition; guide, "Condition types for listener rules".
"""

import ipaddress
import re
from collections.abc import Sequence

from sandbox.aws.elbv2 import params
from sandbox.aws.elbv2.exceptions import validation_error
from sandbox.aws.elbv2.records import Condition, QueryPair
from sandbox.errors import not_implemented
from sandbox.types import JsonObject

_CONFIG = {
    "path-pattern": "PathPatternConfig",
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
_ONCE = {"path-pattern", "host-header", "http-request-method", "source-ip"}
_MAX_VALUES = 5
_METHOD = re.compile(r"[A-Z_-]{1,40}")


def parse_conditions(wire: Sequence[JsonObject]) -> tuple[Condition, ...]:
    """Return the conditions of a rule.

    Raises:
        AwsError: ValidationError as AWS words it; NotImplemented for regular expressions.

    """
    if not wire:
        raise validation_error("Rule must have at least one condition")
    conditions = tuple(_parse(item) for item in wire)
    fields = [condition.field for condition in conditions]
    for field in _ONCE:
        if fields.count(field) > 1:
            raise validation_error(f"Rule cannot have more than one '{field}' condition")
    if sum(len(item.values) + len(item.query) for item in conditions) > _MAX_VALUES:
        raise validation_error(
            f"The number of condition values must be less than or equal to '{_MAX_VALUES}'"
        )
    return conditions


def _parse(wire: JsonObject) -> Condition:
    field = params.text(wire, "Field")
    if field not in _CONFIG:
        raise validation_error(
            f"Condition field '{field}' must be one of '[{','.join(sorted(_CONFIG))}]'"
        )
    config = params.child(wire, _CONFIG[field])
    if params.texts(wire, "RegexValues") or params.texts(config, "RegexValues"):
        raise not_implemented("elbv2", "CreateRule", f"RegexValues of {field}")
    condition = Condition(
        field=field,
        values=() if field == "query-string" else _values(wire, config),
        http_header_name=params.text(config, "HttpHeaderName"),
        query=tuple(
            QueryPair(key=params.text(pair, "Key") or None, value=params.text(pair, "Value"))
            for pair in (params.objects(config, "Values") if field == "query-string" else ())
        ),
    )
    _check(condition)
    return condition


def _values(wire: JsonObject, config: JsonObject) -> tuple[str, ...]:
    return params.texts(config, "Values") or params.texts(wire, "Values")


def _check(condition: Condition) -> None:
    if not condition.values and not condition.query:
        raise validation_error("A condition value must be specified")
    for value in condition.values:
        if not 1 <= len(value) <= 128:
            raise validation_error(f"Condition value '{value}' must have 1 to 128 characters")
        if condition.field == "source-ip":
            _check_cidr(value)
        if condition.field == "http-request-method" and not _METHOD.fullmatch(value):
            raise validation_error(f"HTTP request method '{value}' is not valid")
        if condition.field == "path-pattern" and not value.startswith(("/", "*", "?")):
            raise validation_error(f"Path pattern '{value}' must begin with '/'")
    if condition.field == "http-header" and not condition.http_header_name:
        raise validation_error("A http-header condition must have an HTTP header name")
    if condition.field == "http-header" and condition.http_header_name.lower() == "host":
        raise validation_error("Use a host-header condition to match the Host header")


def _check_cidr(value: str) -> None:
    try:
        ipaddress.ip_network(value, strict=False)
        is_block = "/" in value
    except ValueError:
        is_block = False
    if not is_block:
        raise validation_error(f"Condition value '{value}' is not a valid CIDR block")


def render_condition(condition: Condition) -> JsonObject:
    """Return a condition in the API's shape; simple ones are answered in both spellings."""
    config: dict[str, object] = {}
    if condition.field == "query-string":
        config["Values"] = [
            {**({"Key": pair.key} if pair.key else {}), "Value": pair.value}
            for pair in condition.query
        ]
    else:
        config["Values"] = list(condition.values)
    if condition.http_header_name:
        config["HttpHeaderName"] = condition.http_header_name
    simple = condition.field in {"path-pattern", "host-header"}
    return {
        "Field": condition.field,
        **({"Values": list(condition.values)} if simple else {}),
        _CONFIG[condition.field]: config,
    }
