"""AWS wire protocols at the edge of our own services; it knows no service's meaning.

Requests are parsed and answers written with botocore's service models (through moto's
protocol code), so a handler sees plain parameters in AWS's spelling and returns the same.
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import cast
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.model import OperationNotFoundError
from botocore.validate import ParamValidator
from moto.core.errors import ErrorLookup, ErrorLookupFactory
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from requests.structures import CaseInsensitiveDict
from werkzeug.datastructures import Headers, MultiDict

from sandbox.errors import AwsError, not_implemented
from sandbox.types import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """Who calls what, where and when; made once per request by the gateway."""

    account_id: str
    region: str
    access_key_id: str = ""
    session_token: str = ""
    user_agent: str = ""
    host: str = ""
    """The host by which the client reached us, without its port."""
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """One HTTP request, body read whole."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    """Names in any case: lookups must not depend on it (see `HeaderMap`)."""
    body: bytes
    raw_uri: str = ""
    """The request target as it was sent, percent-encoded, with its query string."""
    remote_address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningScope:
    """Who signed a request, and for which service and region."""

    access_key_id: str
    region: str
    service: str
    """The signing name: `ecs`, `elasticloadbalancing`, `s3`, ..."""


HeaderMap = CaseInsensitiveDict[str]
"""Headers of a `WireRequest`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireResponse:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


_XML_SERVICES = frozenset({"s3", "s3express", "route53", "cloudfront"})
"""Signing names of the REST services that answer in XML."""

_SCOPE = re.compile(r"([^/=\s]*)/\d{8}/([^/]+)/([^/]+)/aws4_request")


def signing_scope(request: WireRequest) -> SigningScope | None:
    """Read the SigV4 credential scope from the header or the presigned URL.

    Returns None for an unsigned request. The signature itself is not checked.
    """
    credential = request.headers.get("Authorization", "")
    if not credential and "X-Amz-Credential=" in request.query_string:
        credential = dict(parse_qsl(request.query_string)).get("X-Amz-Credential", "")
    match = _SCOPE.search(credential)
    if match is None:
        return None
    key, region, service = match.groups()
    return SigningScope(access_key_id=key, region=region, service=service.lower())


def session_token(request: WireRequest) -> str:
    """Read the token of temporary credentials from the header or the presigned URL."""
    name = "X-Amz-Security-Token"
    token = request.headers.get(name, "")
    if not token and f"{name}=" in request.query_string:
        token = dict(parse_qsl(request.query_string)).get(name, "")
    return token


def error_response(request: WireRequest, error: AwsError) -> WireResponse:
    """Shape an error for a request whose service model is not at hand."""
    request_id = str(uuid.uuid4())
    if _speaks_json(request):
        return _json_error(error, request_id)
    scope = signing_scope(request)
    return _xml_error(scope.service if scope else "s3", error, request_id)


def _speaks_json(request: WireRequest) -> bool:
    if "X-Amz-Target" in request.headers:
        return True
    scope = signing_scope(request)
    if scope is None or scope.service in _XML_SERVICES:
        return False
    return "x-www-form-urlencoded" not in request.headers.get("Content-Type", "")


def _json_error(error: AwsError, request_id: str) -> WireResponse:
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "x-amzn-ErrorType": error.code,
        "x-amzn-RequestId": request_id,
    }
    text = json.dumps({"__type": error.code, "message": error.message})
    return WireResponse(status=error.status, headers=headers, body=text.encode())


def _xml_error(service: str, error: AwsError, request_id: str) -> WireResponse:
    fields = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    if service == "s3":
        text = f"<Error>{fields}<RequestId>{request_id}</RequestId></Error>"
    elif service == "ec2":
        errors = f"<Errors><Error>{fields}</Error></Errors>"
        text = f"<Response>{errors}<RequestID>{request_id}</RequestID></Response>"
    else:
        kind = "Sender" if error.status < 500 else "Receiver"
        inner = f"<Error><Type>{kind}</Type>{fields}</Error><RequestId>{request_id}</RequestId>"
        text = f"<ErrorResponse>{inner}</ErrorResponse>"
    headers = {"Content-Type": "text/xml", "x-amzn-RequestId": request_id}
    return WireResponse(status=error.status, headers=headers, body=text.encode())


Handler = Callable[[RequestContext, JsonObject], JsonObject]
"""An operation: validated parameters in AWS's spelling in, the result members out."""


class AwsService:
    """One service of ours: operation names to handlers, behind its AWS protocol.

    Args:
        name: botocore's service name (`ecs`, `elbv2`, `ecr`, `logs`).
        operations: AWS operation name (`CreateService`) to handler. An operation of the
            service model that is missing here answers `NotImplemented` and names itself.
        invalid_parameter_code: the error code that this service uses for a request that
            does not fit its shape.

    """

    def __init__(
        self,
        name: str,
        operations: Mapping[str, Handler],
        *,
        invalid_parameter_code: str = "ValidationException",
    ) -> None:
        self.name = name
        self._operations = dict(operations)
        self._model: ServiceModel = get_service_model(name)
        self._invalid_parameter_code = invalid_parameter_code
        unknown = set(self._operations) - set(self._model.operation_names)
        if unknown:
            message = f"{name} has no operations named {sorted(unknown)}"
            raise ValueError(message)

    @property
    def operations(self) -> frozenset[str]:
        """Names of the operations that are built."""
        return frozenset(self._operations)

    def operation_name(self, request: WireRequest) -> str:
        """Read the operation's name from `X-Amz-Target` or the `Action` parameter."""
        target = request.headers.get("X-Amz-Target", "")
        if target:
            return target.rpartition(".")[2]
        return form_parameters(request).get("Action", "")

    def handle(self, context: RequestContext, request: WireRequest) -> WireResponse:
        """Parse, run and answer one request; an `AwsError` becomes its wire form."""
        name = self.operation_name(request)
        try:
            operation = self._model.operation_model(name)
        except OperationNotFoundError:
            unknown = AwsError("InvalidAction", f"Unknown operation {name!r}.")
            return self._serialize(OperationModel({}, self._model), context, unknown)
        try:
            handler = self._operations.get(name)
            if handler is None:
                raise not_implemented(self.name, name)
            result: object = handler(context, self._parse(operation, request))
        except AwsError as error:
            result = error
        return self._serialize(operation, context, result)

    def _knows(self, code: str) -> bool:
        """Tell whether the service's model has an error of this code."""
        return self._errors.from_code(code) is not None

    @cached_property
    def _errors(self) -> ErrorLookup:
        return ErrorLookupFactory().for_service(self._model)

    def _parse(self, operation: OperationModel, request: WireRequest) -> JsonObject:
        parser = PROTOCOL_PARSERS[self._model.protocol](operation)
        params = cast(
            "JsonObject",
            parser.parse(
                {
                    "body": request.body,
                    "headers": Headers(dict(request.headers)),
                    "method": request.method,
                    "url_params": {},
                    "url_path": request.path,
                    "values": form_parameters(request),
                }
            ),
        )
        shape = operation.input_shape
        if shape is not None:
            report = ParamValidator().validate(params, shape)
            if report.has_errors():
                raise AwsError(self._invalid_parameter_code, report.generate_report())
        return params

    def _serialize(
        self, operation: OperationModel, context: RequestContext, result: object
    ) -> WireResponse:
        if isinstance(result, AwsError) and not self._knows(result.code):
            if self._model.protocol == "json":
                return _json_error(result, context.request_id)
            return _xml_error(self.name, result, context.request_id)
        serializer_class = get_serializer_class(self.name, self._model.protocol)
        serializer = serializer_class(operation_model=operation)
        serializer.context.request_id = context.request_id
        answer = serializer.serialize(result)
        status = result.status if isinstance(result, AwsError) else 200
        body = answer["body"]
        headers = {str(k): str(v) for k, v in answer["headers"].items()}
        headers["x-amzn-RequestId"] = context.request_id
        raw = body if isinstance(body, bytes) else str(body).encode()
        return WireResponse(status=status, headers=headers, body=raw)


def form_parameters(request: WireRequest) -> "MultiDict[str, str]":
    """Read query string and form body; an operation is named by `Action`."""
    text = request.body.decode("utf-8", "replace") if request.method == "POST" else ""
    content_type = request.headers.get("Content-Type", "")
    pairs = parse_qsl(request.query_string, keep_blank_values=True)
    if "x-www-form-urlencoded" in content_type:
        pairs += parse_qsl(text, keep_blank_values=True)
    return MultiDict(pairs)
