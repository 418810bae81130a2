"""Calls into the local AWS from inside the process, by the road of a client's request.

To moto they are journaled like any other request, which is why ports write through here.
"""

import json
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from sandbox.aws.wire import HeaderMap, RequestContext, WireRequest, WireResponse
from sandbox.errors import AwsError
from sandbox.types import JsonObject

Handle = Callable[[RequestContext, WireRequest], WireResponse]


class LocalClient:
    """Calls operations by name; an error answer becomes an `AwsError`."""

    def __init__(self, handle: Handle, account_id: str) -> None:
        self._handle = handle
        self._account_id = account_id

    def json(self, service: str, target: str, region: str, params: JsonObject) -> JsonObject:
        """Call a JSON service; `target` is the whole `X-Amz-Target`."""
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
        body = json.dumps(params).encode()
        answer = self._send(service, region, headers, body)
        parsed = cast("dict[str, object]", json.loads(answer.body or b"{}"))
        if answer.status >= 400:
            code = str(parsed.get("__type", "InternalFailure")).rpartition("#")[2]
            message = str(parsed.get("message", parsed.get("Message", "")))
            raise AwsError(code, message, status=answer.status)
        return parsed

    def ec2(self, action: str, region: str, params: Mapping[str, str]) -> ET.Element:
        """Call EC2; returns the answer's root element without namespaces."""
        return self.query("ec2", "2016-11-15", action, region, params)

    def query(
        self, service: str, version: str, action: str, region: str, params: Mapping[str, str]
    ) -> ET.Element:
        """Call a service of the query protocol; `version` is that of its API."""
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        form = {"Action": action, "Version": version, **params}
        answer = self._send(service, region, headers, urlencode(form).encode())
        root = ET.fromstring(answer.body)  # noqa: S314 - a part of the local AWS wrote it
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        if answer.status >= 400:
            code = root.findtext(".//Error/Code") or "InternalFailure"
            message = root.findtext(".//Error/Message") or ""
            raise AwsError(code, message, status=answer.status)
        return root

    def _send(
        self, service: str, region: str, headers: Mapping[str, str], body: bytes
    ) -> WireResponse:
        context = RequestContext(account_id=self._account_id, region=region)
        scope = f"sandbox/20200101/{region}/{service}/aws4_request"
        signed = HeaderMap(
            {
                **headers,
                "Host": f"{service}.{region}.amazonaws.com",
                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, "
                "Signature=in-process",
            }
        )
        request = WireRequest(
            method="POST", path="/", query_string="", headers=signed, body=body, raw_uri="/"
        )
        return self._handle(context, request)
