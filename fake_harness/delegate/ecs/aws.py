"""The AWS side of one ECS step: clients made when they are used, errors as step failures.

Endpoint and credentials come from the environment of the delegate alone, so that the same
step reaches AWS or the sandbox. Not built: the keys of a `ManualConfig` connector and
`crossAccountAccess`; a step whose connector has them says so in its log.
"""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError

_RETRIES = Config(retries={"mode": "standard", "max_attempts": 8})
_AUTHORIZATION = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_AUTHENTICATION = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "ExpiredTokenException"}
)


class Aws:
    """The cluster that a step works on, and a client for each service that it needs."""

    def __init__(self, *, region: str, cluster: str) -> None:
        self.region = region
        self.cluster = cluster

    @functools.cached_property
    def ecs(self) -> Any:  # boto3 clients have no static type
        """ECS."""
        return self._client("ecs")

    @functools.cached_property
    def elbv2(self) -> Any:
        """Elastic Load Balancing v2."""
        return self._client("elbv2")

    @functools.cached_property
    def scaling(self) -> Any:
        """Application Auto Scaling."""
        return self._client("application-autoscaling")

    def _client(self, service: str) -> Any:
        return boto3.client(service, region_name=self.region, config=_RETRIES)


def connect(context: StepContext) -> Aws:
    """Return the AWS of the stage's infrastructure.

    Raises:
        StepFailedError: the package names no region or no cluster.
    """
    infra = context.mapping("infra")
    for name in ("region", "cluster"):
        if not infra.get(name):
            message = f"The infrastructure of this stage has no {name}."
            raise StepFailedError(message, "CONFIGURATION_FAILURE")
    _warn_of_credentials(context, str(infra.get("connectorRef") or ""))
    return Aws(region=str(infra["region"]), cluster=str(infra["cluster"]))


@contextmanager
def aws_failures() -> Iterator[None]:
    """Turn what AWS refuses, or does not answer, into a failure of the step."""
    try:
        yield
    except ClientError as error:
        raise StepFailedError(str(error), _failure_type(error)) from error
    except BotoCoreError as error:
        raise StepFailedError(str(error), "CONNECTIVITY") from error


def _failure_type(error: ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _AUTHORIZATION:
        return "AUTHORIZATION_ERROR"
    return "AUTHENTICATION" if code in _AUTHENTICATION else "APPLICATION_ERROR"


def _warn_of_credentials(context: StepContext, reference: str) -> None:
    connector = context.connectors.get(reference)
    spec = connector.get("spec") if isinstance(connector, Mapping) else None
    credential = spec.get("credential") if isinstance(spec, Mapping) else None
    if not isinstance(credential, Mapping):
        return
    kind = credential.get("type")
    if kind != "InheritFromDelegate" or credential.get("crossAccountAccess"):
        context.log(
            f"Connector [{reference}] brings credentials ({kind}) of its own; this delegate "
            "works with those of its environment.",
            level="WARN",
        )
