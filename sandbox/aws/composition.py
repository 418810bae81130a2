"""Puts the parts of the local AWS together; the only module that knows them all."""

from sandbox.aws.ca import CertificateAuthority
from sandbox.aws.gateway import Gateway
from sandbox.aws.logs.plane import LogsPlane
from sandbox.aws.moto_plane.plane import MotoPlane
from sandbox.settings import Settings


def build_gateway(settings: Settings) -> Gateway:
    """Build every part from its state under `settings.aws_dir`; nothing runs yet."""
    authority = CertificateAuthority.open(settings.ca_dir)
    moto = MotoPlane(settings.aws_dir / "moto", authority, settings.account_id)
    logs = LogsPlane(settings.aws_dir / "logs.sqlite", moto.log_groups, moto.handle)
    return Gateway(
        services={"logs": logs.service},
        moto=moto,
        account_id=settings.account_id,
        region=settings.region,
    )
