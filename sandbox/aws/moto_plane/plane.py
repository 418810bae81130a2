"""Everything that is not ours, by moto: its entry point and the ports that it offers."""

import functools
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from botocore.session import Session
from moto.backend_index import backend_url_patterns

from sandbox.aws.ca import CertificateAuthority
from sandbox.aws.moto_plane import (
    acm,
    bucket_policy,
    delete_markers,
    ec2_tables,
    effects,
    iam,
    messaging,
    scaling,
)
from sandbox.aws.moto_plane.dispatch import Dispatcher
from sandbox.aws.moto_plane.durable import DurableMoto
from sandbox.aws.moto_plane.local_client import LocalClient
from sandbox.aws.moto_plane.patches import apply_patches
from sandbox.aws.moto_plane.ports import (
    MotoCertificates,
    MotoLogGroups,
    MotoNetwork,
    MotoPrincipals,
    MotoRoles,
    MotoSecrets,
)
from sandbox.aws.wire import RequestContext, WireRequest, WireResponse
from sandbox.errors import not_implemented

_NOT_SERVICES = {
    "moto_api",
    "moto_api._internal",
    "instance_metadata",
    "s3bucket_path",
    "dynamodb_v20111205",
}
_EXTRA_PACKAGES = {
    "apigateway": "openapi_spec_validator",
    "cloudformation": "openapi_spec_validator",
    "glue": "pyparsing",
    "xray": "aws_xray_sdk",
}
"""Services of moto that need a package which the sandbox does not ask for."""

_POLL_S = 0.1


class MotoPlane:
    """moto for one account. At most one lives in a process: moto's state is global."""

    def __init__(self, directory: Path, authority: CertificateAuthority, account_id: str) -> None:
        """Prepare moto and bring back its state from `directory`."""
        apply_patches(account_id)
        ec2_tables.install()
        self._account_id = account_id
        self._dispatcher = Dispatcher(account_id)
        self._durable = DurableMoto(directory, self._run)
        acm.install(authority)
        iam.install(account_id)
        bucket_policy.install()
        delete_markers.install()
        messaging.install()
        scaling.install()
        self._durable.recover()
        client = LocalClient(self.handle, account_id)
        self.network = MotoNetwork(client, account_id)
        self.secrets = MotoSecrets(client)
        self.roles = MotoRoles(account_id)
        self.principals = MotoPrincipals(account_id)
        self.certificates = MotoCertificates(account_id)
        self.log_groups = MotoLogGroups(client, account_id)

    def start(self) -> None:
        """Start taking snapshots in the background."""
        self._durable.start()

    def stop(self) -> None:
        """Stop waiting requests and take a last snapshot."""
        self._durable.stop()

    def handle(self, context: RequestContext, request: WireRequest) -> WireResponse:  # noqa: ARG002
        """Answer one request; a write is durable when this returns."""
        service = self._dispatcher.service(request)
        name = effects.operation(request)
        if effects.needs_an_engine(service, request, name):
            raise not_implemented(service, name or request.path, "it needs a container engine")
        if service == "sqs" and name == "ReceiveMessage":
            return self._receive(request, name)
        if effects.is_write(request, name):
            return self._durable.write(service, request)
        return self._durable.read(service, request)

    def services(self) -> Sequence[str]:
        """Return botocore's names of the services that moto can answer for."""
        lacking = {name for name, package in _EXTRA_PACKAGES.items() if not find_spec(package)}
        packages = {name for name, _ in backend_url_patterns} - _NOT_SERVICES - lacking
        return sorted(_botocore_name(package) for package in packages)

    def _run(self, service: str, request: WireRequest) -> WireResponse:
        answer = self._dispatcher.call(service, request)
        if service == "route53" and request.method == "POST":
            acm.issue_validated(self._account_id)
        return answer

    def _receive(self, request: WireRequest, name: str) -> WireResponse:
        """Poll a queue for as long as the caller is willing to wait."""
        deadline = time.monotonic() + effects.poll_seconds("sqs", request, name)
        while True:
            answer = self._durable.write("sqs", request, changed=_has_messages)
            if answer.status != 200 or _has_messages(answer) or time.monotonic() >= deadline:
                return answer
            if self._durable.stopping.wait(_POLL_S):
                return answer


@functools.cache
def _by_package() -> Mapping[str, str]:
    return {name.replace("-", ""): name for name in Session().get_available_services()}


def _botocore_name(package: str) -> str:
    """Return the service whose package in moto is so named."""
    return "lambda" if package == "awslambda" else _by_package().get(package, package)


def _has_messages(answer: WireResponse) -> bool:
    return b"ReceiptHandle" in answer.body
