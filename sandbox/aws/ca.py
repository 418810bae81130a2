"""The sandbox's certificate authority: its files, and certificates that it signs.

It does not decide who gets a certificate; `moto_plane/acm.py` does.
"""

import datetime as dt
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_NAME = "AWS Sandbox Root CA"
CA_DAYS = 3650
LEAF_DAYS = 395
"""ACM certificates are valid for 13 months. Source: ACM guide, "Characteristics"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCertificate:
    """A leaf certificate and its key, PEM."""

    certificate_pem: bytes
    private_key_pem: bytes


class CertificateAuthority:
    """One root that signs leaves directly; made on first use, kept for ever."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def open(cls, directory: Path) -> "CertificateAuthority":
        """Load `ca.pem` and `ca.key` from `directory`, or make them and `bundle.pem`.

        Safe to call from several processes: the key and the certificate arrive in one
        rename, and the first one wins.
        """
        directory.mkdir(parents=True, exist_ok=True)
        pair = directory / "ca.key"
        if not pair.exists():
            _make_root(directory)
        key = serialization.load_pem_private_key(pair.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            message = f"{pair} does not hold an elliptic curve key"
            raise TypeError(message)
        authority = cls(x509.load_pem_x509_certificate(pair.read_bytes()), key)
        for name, content in (
            ("ca.pem", authority.certificate_pem),
            ("bundle.pem", _host_trust() + b"\n" + authority.certificate_pem),
        ):
            if not (directory / name).exists():
                _write_atomically(directory / name, content, mode=0o644)
        return authority

    @property
    def certificate_pem(self) -> bytes:
        """The root certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, names: Sequence[str]) -> SignedCertificate:
        """Sign a new RSA key for `names`; the first one is the subject."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            # A common name holds 64 characters at most; longer ones live in the SAN only.
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(days=LEAF_DAYS))
            .add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return SignedCertificate(
            certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
            private_key_pem=key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            ),
        )


def _make_root(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CA_NAME)])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    _write_atomically(directory / "ca.key", pem, mode=0o600, replace=False)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _host_trust() -> bytes:
    """Read the trust store that the host's own tools use (`SSL_CERT_FILE` included)."""
    host = ssl.get_default_verify_paths().cafile
    return Path(host or certifi.where()).read_bytes()


def _write_atomically(path: Path, content: bytes, *, mode: int, replace: bool = True) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(temporary).chmod(mode)
    if replace:
        Path(temporary).replace(path)
        return
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # another process made the authority first: its key is the one
    finally:
        Path(temporary).unlink()
