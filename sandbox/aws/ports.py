"""Protocols by which the services of the local AWS meet; no service imports another.

Implementations are made in their own packages and passed in at `gateway.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A registered IP target, and where it is really served on this machine."""

    id: str
    """The private IPv4 address that AWS would show."""
    port: int
    address: str
    """The address that really answers (a loopback or container address)."""
    real_port: int
    availability_zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHealth:
    """One row of DescribeTargetHealth: AWS's state, reason code and description."""

    state: str
    """initial | healthy | unhealthy | unused | draining | unavailable"""
    reason: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroupInfo:
    """What ECS must know of a target group."""

    arn: str
    name: str
    protocol: str
    port: int
    target_type: str
    vpc_id: str
    load_balancer_arns: tuple[str, ...]


class TargetRegistrar(Protocol):
    """ELBv2 as ECS uses it. All methods are quick, thread-safe and safe to repeat."""

    def target_group(self, target_group_arn: str) -> TargetGroupInfo | None:
        """Return the target group, or None where there is none."""

    def register(self, target_group_arn: str, target: Target) -> None:
        """Register one target (again: a no-op that keeps its health)."""

    def deregister(self, target_group_arn: str, target_id: str, port: int) -> None:
        """Start draining one target; an unknown one is a no-op."""

    def health(self, target_group_arn: str) -> Mapping[tuple[str, int], TargetHealth]:
        """Return health by (target id, port). A target that drained fully is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One log line."""

    timestamp_ms: int
    message: str


class LogSink(Protocol):
    """CloudWatch Logs as the task runner uses it."""

    def group_exists(self, region: str, group: str) -> bool:
        """Tell whether the log group exists."""

    def create_group(self, region: str, group: str) -> None:
        """Create the group (`awslogs-create-group`); existing is fine."""

    def offset(self, region: str, group: str, stream: str) -> int:
        """Return the `cursor` of the last put into the stream, 0 where none is known.

        Called once for each container that ran before a start.
        """

    def put(
        self,
        region: str,
        group: str,
        stream: str,
        events: Sequence[LogEvent],
        *,
        cursor: int = 0,
    ) -> None:
        """Append events durably, creating the stream when it is missing.

        Args:
            region: where the group is.
            group: its name.
            stream: the stream's name.
            events: in the order in which they were written.
            cursor: where their source is read on, kept in the same transaction: a put that
                repeats one is a no-op. 0 where the source has no such place.

        Raises:
            AwsError: ResourceNotFoundException when the group does not exist.

        """


class SecretSource(Protocol):
    """Secrets Manager and SSM Parameter Store as ECS reads them."""

    def resolve(self, value_from: str, *, region: str, account_id: str) -> str:
        """Return the value behind a container definition's `valueFrom`.

        Accepts a secret ARN with optional `:json-key:version-stage:version-id`, an SSM
        parameter name or its ARN. Source: ECS developer guide, "Pass sensitive data".

        Raises:
            AwsError: the code and wording that the service itself answers.

        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet as ECS and ELBv2 need it."""

    id: str
    vpc_id: str
    availability_zone: str
    cidr_block: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInterface:
    """An elastic network interface of a task."""

    id: str
    subnet_id: str
    private_ipv4_address: str
    mac_address: str


class NetworkPlane(Protocol):
    """EC2 networking (moto's) as ECS and ELBv2 use it."""

    def subnet(self, region: str, subnet_id: str) -> Subnet | None:
        """Return the subnet, or None."""

    def security_group_exists(self, region: str, group_id: str) -> bool:
        """Tell whether the security group exists."""

    def create_interface(
        self,
        region: str,
        subnet_id: str,
        security_groups: Sequence[str],
        description: str,
    ) -> NetworkInterface:
        """Create an interface with an address drawn from the subnet."""

    def delete_interface(self, region: str, interface_id: str) -> None:
        """Delete the interface; an unknown one is a no-op."""


class RolePlane(Protocol):
    """IAM (moto's) as ECS uses it."""

    def role_exists(self, role_arn: str) -> bool:
        """Tell whether the role exists in this account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An identity of IAM, as STS and CloudTrail show it."""

    type: str
    """`IAMUser` | `AssumedRole`"""
    principal_id: str
    arn: str
    name: str
    """The user's name, or the session's."""
    role_arn: str = ""
    role_id: str = ""


class PrincipalSource(Protocol):
    """IAM and STS (moto's), as far as they know an access key."""

    def principal(self, access_key_id: str) -> Principal | None:
        """Return whose key this is, or None."""

    def role_id(self, role_arn: str) -> str:
        """Return the unique id of a role, `""` where there is none."""


class TaskCredentialSource(Protocol):
    """Who gives ECS tasks the credentials of their task role."""

    def environment(self, *, role_arn: str, task_arn: str, family: str) -> Mapping[str, str]:
        """Return the variables for one task; the same ones when asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """An ACM certificate with its private key, PEM."""

    arn: str
    domain_name: str
    certificate_pem: str
    chain_pem: str
    private_key_pem: str


class CertificateSource(Protocol):
    """ACM as ELBv2 uses it."""

    def certificate(self, arn: str) -> Certificate | None:
        """Return the issued or imported certificate, or None when unknown or pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedImage:
    """An image name resolved once to content."""

    reference: str
    """What the task definition said."""
    region: str
    repository_name: str
    digest: str
    """sha256:... of the manifest."""


class ImageResolver(Protocol):
    """ECR as ECS and the process runtime use it."""

    def owns(self, reference: str) -> bool:
        """Tell whether the reference names a repository of this account's ECR."""

    def resolve(self, reference: str) -> ResolvedImage:
        """Resolve `registry/name:tag` or `@sha256:` to a digest.

        Accepts `<account>.dkr.ecr.<region>.amazonaws.com/...` and `repositoryUri`.

        Raises:
            AwsError: RepositoryNotFoundException or ImageNotFoundException.

        """

    def manifest(self, image: ResolvedImage) -> bytes:
        """Return the raw OCI or Docker image manifest."""

    def blob_path(self, digest: str) -> Path:
        """Return the file that holds the blob; it must not be changed."""
