"""HTTPS listeners: certificates by server name, security policies, HTTP/2."""

import socket
import ssl
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from elbv2_server import Alb, World, fixed, world
from elbv2_tls import key_and_certificate
from patience import eventually

from sandbox.aws.ports import Certificate

ARN = "arn:aws:acm:us-east-1:000000000000:certificate/"


def certificate(made: World, *names: str) -> str:
    """Put a certificate into the fake ACM; return its ARN."""
    key, pem = key_and_certificate(*names)
    arn = ARN + names[0].replace("*", "any")
    made.certificates[arn] = Certificate(
        arn=arn, domain_name=names[0], certificate_pem=pem, chain_pem="", private_key_pem=key
    )
    return arn


@pytest.fixture(scope="module")
def made() -> Iterator[World]:
    with world() as w:
        yield w


@pytest.fixture
def alb(made: World, request: pytest.FixtureRequest) -> Iterator[Alb]:
    alb = Alb(made, request.node.name.partition("[")[0][5:29].replace("_", "-").strip("-"))
    yield alb
    alb.elb.delete_load_balancer(LoadBalancerArn=alb.arn)


def listen(alb: Alb, arn: str, **settings: object) -> str:
    tls = {"Protocol": "HTTPS", "Port": 443, "Certificates": [{"CertificateArn": arn}]}
    return alb.listener(fixed("secret"), **(tls | settings))


def served_names(alb: Alb, server_name: str | None, **limits: object) -> tuple[str, ...]:
    """Return the names in the certificate that is served, and check an answer."""
    context = ssl.create_default_context()
    for pem in (c.certificate_pem for c in alb.world.certificates.values()):
        context.load_verify_locations(cadata=pem)
    context.check_hostname = False
    for name, value in limits.items():
        setattr(context, name, value)
    with (
        socket.create_connection(alb.address(443), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname=server_name) as tls,
    ):
        tls.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"secret" in tls.makefile("rb").read()
        found = tls.getpeercert()
    assert found is not None
    return tuple(value for _, value in found["subjectAltName"])


def test_certificates_are_chosen_by_server_name(alb: Alb, made: World) -> None:
    default = certificate(made, "default.example.com")
    extra = certificate(made, "extra.example.com")
    wild = certificate(made, "*.wild.example.com")
    listener = listen(alb, default)
    alb.elb.add_listener_certificates(
        ListenerArn=listener, Certificates=[{"CertificateArn": extra}, {"CertificateArn": wild}]
    )
    assert served_names(alb, "extra.example.com") == ("extra.example.com",)
    assert served_names(alb, "a.wild.example.com") == ("*.wild.example.com",)
    assert served_names(alb, "unknown.example.com") == ("default.example.com",)
    assert served_names(alb, None) == ("default.example.com",)
    rows = alb.elb.describe_listener_certificates(ListenerArn=listener)["Certificates"]
    assert [(row["CertificateArn"], row["IsDefault"]) for row in rows] == [
        (default, True),
        (extra, False),
        (wild, False),
    ]
    alb.elb.remove_listener_certificates(
        ListenerArn=listener, Certificates=[{"CertificateArn": extra}]
    )
    assert served_names(alb, "extra.example.com") == ("default.example.com",)


def test_a_renewed_certificate_is_served_without_a_change_of_the_listener(
    alb: Alb, made: World
) -> None:
    listen(alb, certificate(made, "renewed.example.com"))
    certificate(made, "renewed.example.com", "also.example.com")
    eventually(lambda: _is_trusted(alb, "also.example.com"), "the new one is served")


def _is_trusted(alb: Alb, name: str) -> bool:
    try:
        return name in served_names(alb, name)
    except ssl.SSLError:
        return False


@pytest.mark.parametrize(
    ("policy", "version", "is_accepted"),
    [
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", ssl.TLSVersion.TLSv1_2, False),
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", ssl.TLSVersion.TLSv1_3, True),
        ("ELBSecurityPolicy-TLS13-1-2-2021-06", ssl.TLSVersion.TLSv1_2, True),
        ("ELBSecurityPolicy-2016-08", ssl.TLSVersion.TLSv1_2, True),
        ("ELBSecurityPolicy-2016-08", ssl.TLSVersion.TLSv1_3, False),
    ],
)
def test_the_security_policy_limits_the_versions(
    alb: Alb, made: World, policy: str, version: ssl.TLSVersion, is_accepted: bool
) -> None:
    listen(alb, certificate(made, "policy.example.com"), SslPolicy=policy)
    limits = {"minimum_version": version, "maximum_version": version}
    if is_accepted:
        assert served_names(alb, "policy.example.com", **limits) == ("policy.example.com",)
    else:
        with pytest.raises(ssl.SSLError):
            served_names(alb, "policy.example.com", **limits)


def test_every_security_policy_is_one_that_envoy_takes(alb: Alb, made: World) -> None:
    listener = listen(alb, certificate(made, "all.example.com"))
    policies = alb.elb.describe_ssl_policies()["SslPolicies"]
    assert len(policies) > 15
    for policy in policies:
        alb.elb.modify_listener(ListenerArn=listener, SslPolicy=policy["Name"])
    assert made.plane.status()["refused"] == []


def test_http2_is_offered_unless_switched_off(alb: Alb, made: World) -> None:
    listen(alb, certificate(made, "h2.example.com"))
    assert _negotiated(alb) == "h2"
    alb.elb.modify_load_balancer_attributes(
        LoadBalancerArn=alb.arn, Attributes=[{"Key": "routing.http2.enabled", "Value": "false"}]
    )
    eventually(lambda: _negotiated(alb) == "http/1.1", "HTTP/1.1 only")


def _negotiated(alb: Alb) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(alb.address(443), timeout=5) as raw,
        context.wrap_socket(raw) as tls,
    ):
        return tls.selected_alpn_protocol()


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"Certificates": [{"CertificateArn": ARN + "none"}]}, "CertificateNotFound"),
        ({"Certificates": []}, "ValidationError"),
        ({"SslPolicy": "none"}, "SSLPolicyNotFound"),
    ],
)
def test_a_listener_without_what_tls_needs_is_refused(
    alb: Alb, made: World, settings: dict[str, object], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        listen(alb, certificate(made, "needs.example.com"), **settings)
    assert refused.value.response["Error"]["Code"] == code
