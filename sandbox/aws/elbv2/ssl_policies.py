"""Security policies of HTTPS listeners: AWS's lists, and what of them Envoy can do.

The lists are moto's, taken from AWS's documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from moto.elbv2.ssl_policies import SSL_POLICIES

from sandbox.types import JsonObject

DEFAULT = "ELBSecurityPolicy-2016-08"
"""What a listener gets when none is named by API. Source: ELBv2 guide."""

_VERSIONS = {
    "TLSv1": "TLSv1_0",
    "TLSv1.1": "TLSv1_1",
    "TLSv1.2": "TLSv1_2",
    "TLSv1.3": "TLSv1_3",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SslPolicy:
    """A security policy: protocols newest first and ciphers by preference."""

    name: str
    protocols: tuple[str, ...]
    ciphers: tuple[str, ...]


def _load() -> dict[str, SslPolicy]:
    raw = cast("Mapping[str, Mapping[str, object]]", SSL_POLICIES)
    return {
        name: SslPolicy(
            name=name,
            protocols=tuple(cast("list[str]", policy["ssl_protocols"])),
            ciphers=tuple(cast("list[str]", policy["ciphers"])),
        )
        for name, policy in raw.items()
    }


POLICIES: Mapping[str, SslPolicy] = _load()


def envoy_tls_parameters(policy_name: str) -> JsonObject:
    """Return Envoy's form of a policy.

    BoringSSL lacks the CBC suites with SHA-256 and SHA-384, and its TLS 1.3 suites are
    fixed: both are left out.
    """
    policy = POLICIES[policy_name]
    versions = [version for version in _VERSIONS if version in policy.protocols]
    ciphers = [cipher for cipher in policy.ciphers if _is_configurable(cipher)]
    return {
        "tls_minimum_protocol_version": _VERSIONS[versions[0]],
        "tls_maximum_protocol_version": _VERSIONS[versions[-1]],
        **({"cipher_suites": ciphers} if ciphers else {}),
    }


def _is_configurable(cipher: str) -> bool:
    if cipher.startswith(("TLS_", "DES-")):
        return False
    return cipher.endswith("-SHA") or "-GCM-" in cipher or "CHACHA20" in cipher
