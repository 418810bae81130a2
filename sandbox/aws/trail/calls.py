"""From the bytes of a request and its answer to the API call that they are; it judges nothing.

Every AWS protocol is read by botocore's models. What cannot be read is a call without
parameters, never an error: recording must not fail a request.
"""

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from botocore.parsers import create_parser
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers

from sandbox.aws.trail.actions import is_data_event, is_read_only
from sandbox.aws.wire import WireRequest, WireResponse, form_parameters
from sandbox.types import JsonObject

_BY_SIGNING_NAME: Mapping[str, str] = {
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
    "elasticfilesystem": "efs",
    "elasticmapreduce": "emr",
    "email": "ses",
    "es": "opensearch",
}
"""Signing names to botocore's names, where the gateway need not know the difference."""

_LABEL = re.compile(r"\{(\w+)(\+?)\}")
_XML_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_XML_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")
_CBOR = "smithy-rpc-v2-cbor"
_NOTHING: JsonObject = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One API call, understood."""

    service: str
    """botocore's name."""
    operation: str
    """`""` where no operation of the service fits the request."""
    parameters: JsonObject = field(default_factory=dict)
    result: JsonObject = field(default_factory=dict)
    error_code: str = ""
    error_message: str = ""
    model: OperationModel | None = None


def read_call(service: str, request: WireRequest, answer: WireResponse) -> Call:
    """Understand a request and its answer."""
    service = _BY_SIGNING_NAME.get(service, service)
    code, message = _error(answer) if answer.status >= 400 else ("", "")
    model = operation_model(service, request)
    if model is None:
        name = _named(request)
        return Call(service=service, operation=name, error_code=code, error_message=message)
    parameters = _parameters(model, request)
    # Nobody shows what a read or a data event answered.
    is_plain = bool(code) or is_read_only(model.name)
    is_plain = is_plain or is_data_event(service, model.name, parameters)
    return Call(
        service=service,
        operation=model.name,
        parameters=parameters,
        result=_NOTHING if is_plain else _result(model, request, answer),
        error_code=code,
        error_message=message,
        model=model,
    )


def operation_model(service: str, request: WireRequest) -> OperationModel | None:
    """Return the operation that a request asks for, or None."""
    model = service_model(service)
    if model is None:
        return None
    name = _named(request)
    if name:
        try:
            return cast("OperationModel", model.operation_model(name))
        except OperationNotFoundError:
            return None
    return _by_path(model, request)


@functools.cache
def service_model(service: str) -> ServiceModel | None:
    """Return botocore's model of a service, or None where it has none."""
    try:
        return get_service_model(service)
    except (UnknownServiceError, ValueError):
        return None


def _named(request: WireRequest) -> str:
    target = request.headers.get("X-Amz-Target", "")
    if target:
        return target.rpartition(".")[2]
    if request.path.startswith("/service/"):  # Smithy RPC v2: /service/NAME/operation/NAME
        return request.path.rpartition("/")[2]
    return form_parameters(request).get("Action", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """Where a REST operation is found."""

    name: str
    path: re.Pattern[str]
    query: Mapping[str, str]
    needs_query: frozenset[str]
    needs_headers: frozenset[str]

    def score(self, query: Mapping[str, str], headers: Mapping[str, str]) -> int:
        """Return how well a request fits; -1 when it does not."""
        for name, value in self.query.items():
            if name not in query or (value and query[name] != value):
                return -1
        if not self.needs_query <= query.keys():
            return -1
        if any(name not in headers for name in self.needs_headers):
            return -1
        return 2 * (len(self.query) + len(self.needs_query)) + len(self.needs_headers)


def _by_path(model: ServiceModel, request: WireRequest) -> OperationModel | None:
    query = dict(parse_qsl(request.query_string, keep_blank_values=True))
    named = query.get("x-id", "")  # newer SDKs say it
    if named and named in model.operation_names:
        return cast("OperationModel", model.operation_model(named))
    best, best_score = "", -1
    for route in _routes(model.service_name).get(request.method, ()):
        if not route.path.fullmatch(request.path):
            continue
        score = route.score(query, request.headers)
        if score > best_score:
            best, best_score = route.name, score
    return cast("OperationModel", model.operation_model(best)) if best else None


@functools.cache
def _routes(service: str) -> Mapping[str, tuple[_Route, ...]]:
    model = service_model(service)
    found: dict[str, list[_Route]] = {}
    for name in model.operation_names if model is not None else ():
        operation = cast("ServiceModel", model).operation_model(name)
        http = operation.http
        path, _, query = http.get("requestUri", "/").partition("?")
        members = operation.input_shape.members if operation.input_shape else {}
        required = operation.input_shape.required_members if operation.input_shape else []
        at = {m: members[m].serialization for m in required}
        found.setdefault(http.get("method", "POST"), []).append(
            _Route(
                name=name,
                path=_path_pattern(path),
                query=dict(parse_qsl(query, keep_blank_values=True)),
                needs_query=frozenset(
                    s["name"] for s in at.values() if s.get("location") == "querystring"
                ),
                needs_headers=frozenset(
                    s["name"] for s in at.values() if s.get("location") == "header"
                ),
            )
        )
    # A literal path is a better fit than one with labels, and S3's directory buckets are rare.
    order = lambda route: (route.path.pattern.count("(?P"), "Directory" in route.name)  # noqa: E731
    return {method: tuple(sorted(routes, key=order)) for method, routes in found.items()}


def _path_pattern(uri: str) -> re.Pattern[str]:
    shape, end = "", 0
    for label in _LABEL.finditer(uri):
        shape += re.escape(uri[end : label.start()])
        shape += f"(?P<{label.group(1)}>{'.+' if label.group(2) else '[^/]+'})"
        end = label.end()
    return re.compile(shape + re.escape(uri[end:]).rstrip("/") + "/?", re.DOTALL)


def _parameters(model: OperationModel, request: WireRequest) -> JsonObject:
    protocol = _protocol(model, request)
    labels: dict[str, str] = {}
    if protocol.startswith("rest"):
        path = model.http.get("requestUri", "/").partition("?")[0]
        match = _path_pattern(path).fullmatch(request.path)
        labels = {k: unquote(v) for k, v in match.groupdict().items()} if match else {}
    try:
        parsed = _parse(model, protocol, request, labels)
    except Exception:  # noqa: BLE001 - whatever was sent: a call without parameters
        return dict(labels)
    members = model.input_shape.members if model.input_shape else {}
    located = {
        name: labels[at]
        for name, member in members.items()
        if member.serialization.get("location") == "uri"
        and (at := member.serialization.get("name", name)) in labels
    }
    return {**cast("JsonObject", parsed or {}), **located}


def _parse(
    model: OperationModel, protocol: str, request: WireRequest, labels: Mapping[str, str]
) -> JsonObject:
    if protocol == _CBOR:
        # A structure is written the same way in both directions.
        wire = {"status_code": 200, "headers": {}, "body": request.body, "context": {}}
        found = dict(_parser(protocol).parse(wire, model.input_shape))
        found.pop("ResponseMetadata", None)
        return found
    parser = PROTOCOL_PARSERS[protocol](model)
    return cast(
        "JsonObject",
        parser.parse(
            {
                "body": request.body,
                "headers": cast("Headers", request.headers),  # read by name in any case, too
                "method": request.method,
                "url_params": dict(labels),
                "url_path": request.path,
                "values": form_parameters(request),
            }
        ),
    )


def _protocol(model: OperationModel, request: WireRequest) -> str:
    """Return the protocol that this client chose: some services speak several."""
    if request.path.startswith("/service/"):
        return _CBOR
    if "X-Amz-Target" in request.headers:
        return "json"
    own: str = model.service_model.protocol
    return "query" if own in {_CBOR, "json"} else own


def _result(model: OperationModel, request: WireRequest, answer: WireResponse) -> JsonObject:
    shape = model.output_shape
    if shape is None or not answer.body or model.has_streaming_output:
        return {}
    wire: dict[str, Any] = {
        "status_code": answer.status,
        "headers": answer.headers,
        "body": answer.body,
        "context": {},
    }
    try:
        parsed = _parser(_protocol(model, request)).parse(wire, shape)
    except Exception:  # noqa: BLE001 - the answer is another's: a call without a result
        return {}
    parsed.pop("ResponseMetadata", None)
    return cast("JsonObject", parsed)


@functools.cache
def _parser(protocol: str) -> Any:  # botocore has no types
    return create_parser(protocol)


def _error(answer: WireResponse) -> tuple[str, str]:
    body = answer.body
    if body.lstrip()[:1] == b"{":
        try:
            fields = json.loads(body)
        except ValueError:
            fields = {}
        code = str(fields.get("__type") or fields.get("code") or "").rpartition("#")[2]
        message = str(fields.get("message") or fields.get("Message") or "")
        return code or answer.headers.get("x-amzn-ErrorType", str(answer.status)), message
    code_found, message_found = _XML_CODE.search(body), _XML_MESSAGE.search(body)
    return (
        code_found.group(1).decode("utf-8", "replace") if code_found else str(answer.status),
        message_found.group(1).decode("utf-8", "replace") if message_found else "",
    )
