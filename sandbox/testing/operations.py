"""Which operation an AWS request asks for, by botocore's service models; it answers none.

Query and JSON protocols name it in the request; REST protocols are matched by method, path,
query and headers against every operation of the service.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.model import OperationModel, ServiceModel
from moto.core.utils import get_service_model

from sandbox.aws.wire import SigningScope, WireRequest, form_parameters, signing_scope

_NAMES = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "email": "ses",
    "states": "stepfunctions",
    "execute-api": "apigateway",
}
"""Signing name to boto3's name of the service, where they differ."""
_TEMPLATE = re.compile(r"\{(\w+)(\+?)\}")
_FROM_PATH, _FROM_QUERY, _FROM_HEADER = "uri", "querystring", "header"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    region: str
    access_key_id: str


def asked(request: WireRequest, default_region: str) -> Asked | None:
    """Read a request; None for one that nobody signed and that names no service."""
    target = request.headers.get("X-Amz-Target", "")
    scope = signing_scope(request)
    if scope is None:
        if not request.headers.get("Authorization") and not target:
            return None
        scope = SigningScope(access_key_id="", region=default_region, service="")
    service = _NAMES.get(scope.service, scope.service)
    operation, parameters = _operation(service, request, target)
    return Asked(
        service=service,
        operation=operation,
        parameters=parameters,
        region=scope.region,
        access_key_id=scope.access_key_id,
    )


def _operation(service: str, request: WireRequest, target: str) -> tuple[str, Mapping[str, Any]]:
    if target:
        return target.rpartition(".")[2], _json(request.body)
    form = form_parameters(request)
    if "Action" in form:
        kept = {k: v for k, v in form.items() if k not in {"Action", "Version"}}
        return form["Action"], kept
    if request.path.startswith("/service/"):  # Smithy RPC v2: CBOR bodies are not read
        return request.path.rpartition("/")[2], {}
    for rule in _rules(service):
        found = rule.match(request)
        if found is not None:
            return rule.name, found
    return f"{request.method} {request.path}", {}


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """How one REST operation looks on the wire."""

    name: str
    method: str
    path: re.Pattern[str]
    literal_query: Mapping[str, str]
    """Query keys that the path template names: `?tagging`, `?list-type=2`."""
    required: Sequence[tuple[str, str]]
    """(querystring | header, name on the wire) that must be there."""
    members: Mapping[tuple[str, str], str]
    """(where, name on the wire) to the parameter's name."""
    payload: str
    """json | the name of a streaming or XML body, which is not read."""

    @property
    def weight(self) -> tuple[int, int, int]:
        """Return how specific the rule is: the most specific one that matches wins."""
        literals = len(self.path.pattern.replace("(?P", ""))
        return len(self.literal_query), len(self.required), literals

    def match(self, request: WireRequest) -> Mapping[str, Any] | None:
        """Return the parameters, or None where the request is another operation's."""
        path = self.path.fullmatch(_raw_path(request))
        if path is None or request.method != self.method:
            return None
        query = dict(parse_qsl(request.query_string, keep_blank_values=True))
        if any(query.get(key) != value for key, value in self.literal_query.items()):
            return None
        for where, name in self.required:
            if name not in (query if where == _FROM_QUERY else request.headers):
                return None
        found: dict[str, Any] = {k: unquote(v) for k, v in path.groupdict().items()}
        for (where, name), member in self.members.items():
            values: Mapping[str, str] = query if where == _FROM_QUERY else request.headers
            if where != _FROM_PATH and name in values:
                found[member] = values[name]
        return {**found, **_json(request.body)} if self.payload == "json" else found


def _raw_path(request: WireRequest) -> str:
    return (request.raw_uri or request.path).partition("?")[0]


@functools.cache
def _rules(service: str) -> Sequence[_Rule]:
    """Return the rules of a REST service, most specific first; none for any other."""
    try:
        model: ServiceModel = get_service_model(service)
    except Exception:  # noqa: BLE001  botocore raises of its own kinds for what it does not know
        return ()
    if not model.metadata.get("protocol", "").startswith("rest"):
        return ()
    rules = [_rule(model.operation_model(name)) for name in model.operation_names]
    return sorted(rules, key=lambda rule: rule.weight, reverse=True)


def _rule(operation: OperationModel) -> _Rule:
    template, _, query = operation.http["requestUri"].partition("?")
    literal = dict(parse_qsl(query, keep_blank_values=True))
    shape = operation.input_shape
    members: dict[tuple[str, str], str] = {}
    required = []
    for name, member in shape.members.items() if shape else ():
        where = member.serialization.get("location", "")
        if where not in {_FROM_PATH, _FROM_QUERY, _FROM_HEADER}:
            continue
        wire = member.serialization.get("name", name)
        members[where, wire] = name
        if shape and name in shape.required_members and where != _FROM_PATH:
            required.append((where, wire))
    is_json = operation.service_model.metadata["protocol"] == "rest-json"
    streams = shape is not None and operation.has_streaming_input
    return _Rule(
        name=operation.name,
        method=operation.http["method"],
        path=_path_pattern(template, members),
        literal_query={key: value for key, value in literal.items() if key != "x-id"},
        required=tuple(required),
        members=members,
        payload="json" if is_json and not streams else "",
    )


def _path_pattern(template: str, members: Mapping[tuple[str, str], str]) -> re.Pattern[str]:
    pattern, position = "", 0
    for found in _TEMPLATE.finditer(template):
        pattern += re.escape(template[position : found.start()])
        name = members.get((_FROM_PATH, found[1]), found[1])
        pattern += f"(?P<{name}>{'.+' if found[2] else '[^/]+'})"
        position = found.end()
    return re.compile(pattern + re.escape(template[position:]) + "/?")
