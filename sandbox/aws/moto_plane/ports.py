"""What moto's state offers to our own services: see `sandbox/aws/ports.py`.

Reads look into moto's backends; writes go through `LocalClient`, hence through the journal.
"""

import ipaddress
import json
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from moto.backends import get_backend

from sandbox.aws.moto_plane.acm import ISSUED
from sandbox.aws.moto_plane.local_client import LocalClient
from sandbox.aws.ports import Certificate, NetworkInterface, Principal, Subnet
from sandbox.errors import AwsError
from sandbox.types import JsonObject

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend

RESERVED_HEAD = 4
"""First addresses of a subnet that AWS keeps for itself, network address included.

Source: VPC user guide, "Subnet CIDR blocks".
"""


class MotoNetwork:
    """EC2 networking of one account."""

    def __init__(self, client: LocalClient, account_id: str) -> None:
        self._client = client
        self._account_id = account_id
        self._choosing = threading.Lock()

    def subnet(self, region: str, subnet_id: str) -> Subnet | None:
        """Return the subnet, or None."""
        for by_id in self._backend(region).subnets.values():
            if subnet_id in by_id:
                found = by_id[subnet_id]
                return Subnet(
                    id=found.id,
                    vpc_id=found.vpc_id,
                    availability_zone=found.availability_zone,
                    cidr_block=found.cidr_block,
                )
        return None

    def security_group_exists(self, region: str, group_id: str) -> bool:
        """Tell whether the security group exists."""
        return self._backend(region).get_security_group_from_id(group_id) is not None

    def create_interface(
        self,
        region: str,
        subnet_id: str,
        security_groups: Sequence[str],
        description: str,
    ) -> NetworkInterface:
        """Create an interface with the lowest free address of the subnet.

        Raises:
            AwsError: InvalidSubnetID.NotFound, or InsufficientFreeAddressesInSubnet.

        """
        params = {"SubnetId": subnet_id, "Description": description}
        params |= {f"SecurityGroupId.{i}": g for i, g in enumerate(security_groups, start=1)}
        with self._choosing:  # two callers must not choose the same address
            params["PrivateIpAddress"] = self._free_address(region, subnet_id)
            answer = self._client.ec2("CreateNetworkInterface", region, params)
        field = "networkInterface/"
        return NetworkInterface(
            id=answer.findtext(f"{field}networkInterfaceId") or "",
            subnet_id=subnet_id,
            private_ipv4_address=answer.findtext(f"{field}privateIpAddress") or "",
            mac_address=answer.findtext(f"{field}macAddress") or "",
        )

    def delete_interface(self, region: str, interface_id: str) -> None:
        """Delete the interface; an unknown one is a no-op."""
        try:
            params = {"NetworkInterfaceId": interface_id}
            self._client.ec2("DeleteNetworkInterface", region, params)
        except AwsError as error:
            if error.code != "InvalidNetworkInterfaceID.NotFound":
                raise

    def _free_address(self, region: str, subnet_id: str) -> str:
        subnet = self.subnet(region, subnet_id)
        if subnet is None:
            message = f"The subnet ID '{subnet_id}' does not exist"
            raise AwsError("InvalidSubnetID.NotFound", message)
        taken = {
            address["PrivateIpAddress"]
            for interface in list(self._backend(region).enis.values())
            if interface.subnet.id == subnet_id
            for address in interface.private_ip_addresses
        }
        addresses = ipaddress.ip_network(subnet.cidr_block)
        # The last address is the broadcast address, which AWS keeps too.
        for offset in range(RESERVED_HEAD, addresses.num_addresses - 1):
            candidate = str(addresses[offset])
            if candidate not in taken:
                return candidate
        message = (
            f"There are not enough free addresses in subnet '{subnet_id}' "
            "to satisfy the requested number of instances."
        )
        raise AwsError("InsufficientFreeAddressesInSubnet", message)

    def _backend(self, region: str) -> "EC2Backend":
        return get_backend("ec2")[self._account_id][region]


class MotoSecrets:
    """Secrets Manager and SSM as ECS reads them."""

    def __init__(self, client: LocalClient) -> None:
        self._client = client

    def resolve(self, value_from: str, *, region: str, account_id: str) -> str:  # noqa: ARG002
        """Return the value behind a container definition's `valueFrom`."""
        if value_from.startswith("arn:") and ":secretsmanager:" in value_from:
            return self._secret(value_from)
        if value_from.startswith("arn:"):
            region = value_from.split(":")[3]
        return self._parameter(value_from, region)

    def _secret(self, value_from: str) -> str:
        # arn:aws:secretsmanager:region:account:secret:name-AbCdEf[:key[:stage[:version]]]
        parts = value_from.split(":")
        key, stage, version = (*parts[7:10], "", "", "")[:3]
        params = {"SecretId": ":".join(parts[:7])}
        if stage:
            params["VersionStage"] = stage
        if version:
            params["VersionId"] = version
        target = "secretsmanager.GetSecretValue"
        answer = self._client.json("secretsmanager", target, parts[3], params)
        if "SecretString" not in answer:
            message = f"The secret {params['SecretId']} holds no string."
            raise AwsError("InvalidParameterException", message)
        text = str(answer["SecretString"])
        return _json_field(text, key) if key else text

    def _parameter(self, name: str, region: str) -> str:
        params: JsonObject = {"Names": [name], "WithDecryption": True}
        answer = self._client.json("ssm", "AmazonSSM.GetParameters", region, params)
        found = cast("Sequence[JsonObject]", answer["Parameters"])
        if not found:
            # Source: stopped reason of a task, "invalid ssm parameters: NAME".
            raise AwsError("ParameterNotFound", f"invalid ssm parameters: {name}")
        return str(found[0]["Value"])


class MotoRoles:
    """IAM roles of one account."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id

    def role_exists(self, role_arn: str) -> bool:
        """Tell whether the role exists in this account."""
        roles = get_backend("iam")[self._account_id]["aws"].roles
        return any(role.arn == role_arn for role in list(roles.values()))


class MotoPrincipals:
    """Users and sessions of one account, by their access keys."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id

    def principal(self, access_key_id: str) -> Principal | None:
        """Return whose key this is, or None."""
        session = get_backend("sts")[self._account_id]["aws"].get_assumed_role_from_access_key(
            access_key_id
        )
        if session is not None:
            return Principal(
                type="AssumedRole",
                principal_id=session.user_id,
                arn=session.arn,
                name=session.session_name,
                role_arn=session.role_arn,
                role_id=session.user_id.partition(":")[0],
            )
        user = get_backend("iam")[self._account_id]["aws"].get_user_from_access_key_id(
            access_key_id
        )
        if user is None:
            return None
        return Principal(type="IAMUser", principal_id=user.id, arn=user.arn, name=user.name)

    def role_id(self, role_arn: str) -> str:
        """Return the unique id of a role, `""` where there is none."""
        roles = get_backend("iam")[self._account_id]["aws"].roles
        return next((str(r.id) for r in list(roles.values()) if r.arn == role_arn), "")


class MotoCertificates:
    """ACM certificates of one account."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id

    def certificate(self, arn: str) -> Certificate | None:
        """Return the issued or imported certificate, or None when unknown or pending."""
        region = (arn.split(":") + [""] * 4)[3]
        regions = get_backend("acm")[self._account_id]
        if region not in regions:
            return None
        bundle = regions[region]._certificates.get(arn)  # noqa: SLF001 - no public view
        if bundle is None or bundle.status != ISSUED:
            return None
        return Certificate(
            arn=arn,
            domain_name=bundle.common_name,
            certificate_pem=bundle.cert.decode(),
            chain_pem=bundle.chain.decode(),
            private_key_pem=bundle.key.decode(),
        )


class MotoLogGroups:
    """Log groups of one account, for our streams and events."""

    def __init__(self, client: LocalClient, account_id: str) -> None:
        self._client = client
        self._account_id = account_id

    def exists(self, region: str, group: str) -> bool:
        """Tell whether the log group exists."""
        return group in get_backend("logs")[self._account_id][region].groups

    def create(self, region: str, group: str) -> None:
        """Create the log group; an existing one is fine."""
        try:
            params: JsonObject = {"logGroupName": group}
            self._client.json("logs", "Logs_20140328.CreateLogGroup", region, params)
        except AwsError as error:
            if error.code != "ResourceAlreadyExistsException":
                raise


def _json_field(text: str, key: str) -> str:
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict) or key not in fields:
        # Source: stopped reason of a task whose secret lacks the key.
        message = f"retrieved secret from Secrets Manager did not contain json key {key}"
        raise AwsError("ResourceInitializationError", message)
    value = fields[key]
    return value if isinstance(value, str) else json.dumps(value)
