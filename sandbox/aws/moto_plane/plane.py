"""Everything that is not ours, by moto: its entry point and the ports that it offers."""

import threading
from collections.abc import Sequence
from pathlib import Path

from moto.backend_index import backend_url_patterns

from sandbox.aws.ca import CertificateAuthority
from sandbox.aws.moto_plane import acm, bucket_policy, iam
from sandbox.aws.moto_plane.dispatch import Dispatcher
from sandbox.aws.moto_plane.local_client import LocalClient
from sandbox.aws.moto_plane.patches import apply_patches
from sandbox.aws.moto_plane.ports import (
    MotoCertificates,
    MotoLogGroups,
    MotoNetwork,
    MotoRoles,
    MotoSecrets,
)
from sandbox.aws.wire import RequestContext, WireRequest, WireResponse

_NOT_SERVICES = {"moto_api", "instance_metadata", "s3bucket_path", "dynamodb_v20111205"}


class MotoPlane:
    """moto for one account. At most one lives in a process: moto's state is global."""

    def __init__(self, directory: Path, authority: CertificateAuthority, account_id: str) -> None:
        """Prepare moto; its state lives under `directory`."""
        apply_patches(account_id)
        acm.install(authority)
        iam.install()
        bucket_policy.install()
        self._account_id = account_id
        self._dispatcher = Dispatcher(account_id, on_load=lambda _service: None)
        self._writing = threading.RLock()
        client = LocalClient(self.handle, account_id)
        self.network = MotoNetwork(client, account_id)
        self.secrets = MotoSecrets(client)
        self.roles = MotoRoles(account_id)
        self.log_groups = MotoLogGroups(client, account_id)
        self.certificates = MotoCertificates(account_id)

    def handle(self, context: RequestContext, request: WireRequest) -> WireResponse:  # noqa: ARG002
        """Answer one request."""
        service = self._dispatcher.service(request)
        with self._writing:
            answer = self._dispatcher.call(service, request)
            if service == "route53" and request.method == "POST":
                acm.issue_validated(self._account_id)
        return answer

    def services(self) -> Sequence[str]:
        """Return the names of the services that moto can answer for."""
        return sorted({name for name, _ in backend_url_patterns} - _NOT_SERVICES)
