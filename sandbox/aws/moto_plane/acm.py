"""ACM certificates that the sandbox's own authority signs, validated by Route 53.

moto would sign each with its own key and call it issued after a minute.
"""

import re
from collections.abc import Iterable
from typing import Any, Self, cast

import moto.acm.models
import moto.acm.urls
from moto.acm.models import AWSCertificateManagerBackend, CertBundle, acm_backends
from moto.route53.models import route53_backends

from sandbox.aws.ca import CertificateAuthority, SignedCertificate
from sandbox.aws.moto_plane.moment import recall

ISSUED = "ISSUED"
PENDING = "PENDING_VALIDATION"
AMAZON_ISSUED = "AMAZON_ISSUED"
_KEY_STARTS = re.compile(rb"(?=-----BEGIN RSA PRIVATE KEY)")


class SandboxCertBundle(CertBundle):
    """A certificate of the sandbox's authority, or an imported one served as it is."""

    authority: CertificateAuthority
    """Set once by `install`; a class attribute, so it is never stored with a record."""

    def __init__(
        self,
        account_id: str,
        certificate: bytes,
        private_key: bytes,
        chain: bytes | None = None,
        region: str = "us-east-1",
        arn: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(account_id, certificate, private_key, chain, region, arn, **kwargs)
        # moto adds Amazon's root to every chain; AWS keeps an imported chain as it came.
        self.chain = chain or b""

    @classmethod
    def generate_cert(
        cls,
        domain_name: str,
        account_id: str,
        region: str,
        sans: list[str] | None = None,
        cert_authority_arn: str | None = None,
    ) -> Self:
        """Sign a certificate; a public one waits for its validation record."""
        names = list(dict.fromkeys([domain_name, *(sans or [])]))
        pem = recall(lambda: _joined(cls.authority.issue(names)))
        certificate, private_key = _KEY_STARTS.split(pem, maxsplit=1)
        private = cert_authority_arn is not None
        return cls(
            account_id,
            certificate,
            private_key,
            chain=cls.authority.certificate_pem,
            region=region,
            cert_type="PRIVATE" if private else AMAZON_ISSUED,
            cert_status=ISSUED if private else PENDING,
            cert_authority_arn=cert_authority_arn,
        )

    def check(self) -> None:
        """Notice expiry only: a read must not issue a certificate."""
        if self.status != PENDING:
            super().check()

    def validation_records(self) -> dict[str, str]:
        """Return the CNAME records that prove the domains: name to value."""
        options = self.describe()["Certificate"].get("DomainValidationOptions", [])
        records = [option["ResourceRecord"] for option in options]
        return {record["Name"]: record["Value"] for record in records}


class SandboxAcmBackend(AWSCertificateManagerBackend):
    """ACM whose certificates may be issued at once where the record exists already."""

    def request_certificate(self, *args: Any, **kwargs: Any) -> str:
        """Request a certificate and look for its validation records."""
        arn = super().request_certificate(*args, **kwargs)
        issue_validated(self.account_id)
        return arn

    @property
    def _url_module(self) -> Any:
        return moto.acm.urls


def install(authority: CertificateAuthority) -> None:
    """Make moto's ACM use `authority`."""
    SandboxCertBundle.authority = authority
    moto.acm.models.CertBundle = SandboxCertBundle  # type: ignore[assignment, misc]
    acm_backends.backend = SandboxAcmBackend


def issue_validated(account_id: str) -> None:
    """Issue each pending certificate whose every validation record exists.

    Called after each change of Route 53 records. AWS takes seconds to minutes; here the
    change is seen at once. Source: ACM guide, "AWS Certificate Manager DNS validation".
    """
    pending = [c for c in _certificates(account_id) if c.status == PENDING]
    if not pending:
        return
    published = _published_cnames(account_id)
    for certificate in pending:
        wanted = certificate.validation_records()
        if all(published.get(name) == value for name, value in wanted.items()):
            certificate.status = ISSUED


def _certificates(account_id: str) -> Iterable[SandboxCertBundle]:
    for backend in list(acm_backends[account_id].values()):
        # moto has no public view of them; all are made by the class that `install` set.
        certificates = backend._certificates.values()  # noqa: SLF001
        yield from cast("Iterable[SandboxCertBundle]", certificates)


def _published_cnames(account_id: str) -> dict[str, str]:
    return {
        _absolute(record.name): _absolute(record.records[0])
        for zone in route53_backends[account_id]["aws"].zones.values()
        if not zone.private_zone
        for record in zone.rrsets
        if record.type == "CNAME" and record.records
    }


def _joined(signed: SignedCertificate) -> bytes:
    return signed.certificate_pem + signed.private_key_pem


def _absolute(name: str) -> str:
    return name if name.endswith(".") else f"{name}."
