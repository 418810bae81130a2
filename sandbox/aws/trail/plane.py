"""Puts the trail together: the recorder for the gateway, LookupEvents, who is who."""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse

from sandbox.aws.ports import PrincipalSource
from sandbox.aws.trail.callers import Callers
from sandbox.aws.trail.lookup import EventHistory, Forward, PartService
from sandbox.aws.trail.recorder import Passed, Recorder, RolesOf
from sandbox.aws.trail.registry import registry_call, token_holder
from sandbox.aws.trail.store import TrailStore
from sandbox.aws.wire import AwsService, RequestContext, WireRequest, WireResponse
from sandbox.types import JsonObject

Environ = dict[str, Any]


class TrailPlane:
    """CloudTrail's event history, and what `sandbox iam policy` is made of.

    Args:
        path: the SQLite file.
        principals: IAM and STS, as far as they know keys.
        account_id: the account of every caller.
        forward: answers for all of CloudTrail and STS that is not ours.
        roles_of: the roles of a task definition.

    """

    def __init__(
        self,
        path: Path,
        *,
        principals: PrincipalSource,
        account_id: str,
        forward: Forward,
        roles_of: RolesOf,
    ) -> None:
        self._store = TrailStore(path)
        self._callers = Callers(principals, account_id)
        self._recorder = Recorder(self._store, self._callers, roles_of)
        history = EventHistory(self._store, self._recorder.flush)
        operations = {"LookupEvents": history.lookup_events}
        self.service: AwsService = PartService("cloudtrail", operations, forward)
        self.identity: AwsService = PartService(
            "sts", {"GetCallerIdentity": self._caller_identity}, forward
        )

    def start(self) -> None:
        """Start writing."""
        self._recorder.start()

    def stop(self) -> None:
        """Write what waits."""
        self._recorder.stop()
        self._store.close()

    def record(
        self, service: str, context: RequestContext, request: WireRequest, answer: WireResponse
    ) -> None:
        """Note one AWS request; quick, and it never raises."""
        if service:
            self._recorder.note(
                Passed(service=service, context=context, request=request, answer=answer)
            )

    def record_registry(
        self, context: RequestContext, request: WireRequest, status: HTTPStatus
    ) -> None:
        """Note one request to the OCI registry; its token says who holds it."""
        found = registry_call(request.method, request.path, status)
        if found is None:
            return
        call, region = found
        at = replace(
            context,
            region=region or context.region,
            access_key_id=token_holder(request.headers.get("Authorization", "")),
        )
        answer = WireResponse(status=status, headers={}, body=b"")
        self._recorder.note(
            Passed(service="ecr", context=at, request=request, answer=answer, call=call)
        )

    def permissions(self, _environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer `PERMISSIONS_PATH`: every permission that was needed, as JSON."""
        self._recorder.flush()
        body = json.dumps([asdict(one) for one in self._store.permissions()]).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]

    def _caller_identity(self, context: RequestContext, _params: JsonObject) -> JsonObject:
        """GetCallerIdentity: it must say of a key what the trail says of it."""
        principal = self._callers.identify(context).principal
        return {
            "UserId": principal.principal_id,
            "Account": context.account_id,
            "Arn": principal.arn,
        }
