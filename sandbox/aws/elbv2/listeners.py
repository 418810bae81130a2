"""Operations on listeners, their attributes and certificates."""

from collections.abc import Mapping
from dataclasses import replace

from sandbox.aws.elbv2 import attributes, exceptions, identifiers, params, responses
from sandbox.aws.elbv2.actions import parse_actions
from sandbox.aws.elbv2.addresses import bindable_port
from sandbox.aws.elbv2.exceptions import validation_error
from sandbox.aws.elbv2.records import Listener, LoadBalancer
from sandbox.aws.elbv2.ssl_policies import DEFAULT, POLICIES
from sandbox.aws.elbv2.state import State
from sandbox.aws.ports import CertificateSource
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import AwsError, not_implemented
from sandbox.types import JsonObject

_MAX_EXTRA_CERTIFICATES = 25


class ListenerOperations:
    """Handlers; each runs inside `State.change()`."""

    def __init__(self, state: State, certificates: CertificateSource) -> None:
        self._state = state
        self._certificates = certificates

    def handlers(self) -> Mapping[str, Handler]:
        """Return the operations by name."""
        return {
            "CreateListener": self.create,
            "DescribeListeners": self.describe,
            "ModifyListener": self.modify,
            "DeleteListener": self.delete,
            "DescribeListenerAttributes": self.describe_attributes,
            "ModifyListenerAttributes": self.modify_attributes,
            "AddListenerCertificates": self.add_certificates,
            "RemoveListenerCertificates": self.remove_certificates,
            "DescribeListenerCertificates": self.describe_certificates,
        }

    def create(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """CreateListener: the same settings on the same port are answered again."""
        load_balancer = self._state.load_balancer(params.text(request, "LoadBalancerArn"))
        wanted = self._configure(
            Listener(
                arn="",
                load_balancer_arn=load_balancer.arn,
                port=0,
                protocol="",
                default_action=parse_actions(
                    self._state, load_balancer.arn, params.objects(request, "DefaultActions")
                ),
                created_at=context.now,
                bound_port=0,
                tags=params.pairs(request, "Tags"),
            ),
            request,
        )
        existing = self._on_port(load_balancer, wanted.port)
        if existing is None:
            existing = self._new(load_balancer, wanted)
        elif not _same_settings(existing, wanted):
            raise exceptions.duplicate_listener()
        return {"Listeners": [responses.listener(existing)]}

    def _new(self, load_balancer: LoadBalancer, wanted: Listener) -> Listener:
        arn = identifiers.listener_arn(load_balancer.arn)
        record = replace(
            wanted,
            arn=arn,
            default_rule_arn=identifiers.rule_arn(arn),
            bound_port=self._bound_port(load_balancer, wanted.port),
        )
        self._state.put(record)
        return record

    def _bound_port(self, load_balancer: LoadBalancer, port: int) -> int:
        taken = {x.bound_port for x in self._state.listeners_of(load_balancer.arn)}
        return bindable_port(load_balancer.address, port, taken)

    def _on_port(self, load_balancer: LoadBalancer, port: int) -> Listener | None:
        listeners = self._state.listeners_of(load_balancer.arn)
        return next((listener for listener in listeners if listener.port == port), None)

    def _configure(self, base: Listener, request: JsonObject) -> Listener:
        """Return `base` with the port, protocol and TLS settings of a request."""
        port = params.number(request, "Port", base.port)
        protocol = params.text(request, "Protocol", base.protocol)
        if not 1 <= port <= 65535:
            raise validation_error("A port between 1 and 65535 must be specified")
        if protocol not in {"HTTP", "HTTPS"}:
            raise validation_error(f"Listener protocol '{protocol}' must be one of 'HTTPS, HTTP'")
        mode = params.text(params.child(request, "MutualAuthentication"), "Mode", "off")
        if mode != "off":
            raise not_implemented("elbv2", "CreateListener", f"MutualAuthentication {mode}")
        if params.texts(request, "AlpnPolicy"):
            raise validation_error("ALPN policies apply to TLS listeners only")
        plain = replace(base, port=port, protocol=protocol, ssl_policy="", certificate_arn="")
        if protocol == "HTTP":
            return self._without_tls(plain, request)
        return self._with_tls(plain, base, request)

    def _without_tls(self, plain: Listener, request: JsonObject) -> Listener:
        if params.objects(request, "Certificates"):
            raise validation_error("You cannot specify certificates for HTTP listeners")
        if params.text(request, "SslPolicy"):
            raise validation_error("An SSL policy cannot be specified for HTTP listeners")
        return replace(plain, extra_certificate_arns=())

    def _with_tls(self, plain: Listener, base: Listener, request: JsonObject) -> Listener:
        policy = params.text(request, "SslPolicy", base.ssl_policy) or DEFAULT
        if policy not in POLICIES:
            raise exceptions.ssl_policy_not_found(policy)
        certificates = params.objects(request, "Certificates")
        if len(certificates) > 1:
            raise AwsError("TooManyCertificates", "Only one certificate can be specified")
        arn = base.certificate_arn
        if certificates:
            arn = params.text(certificates[0], "CertificateArn")
        if not arn:
            raise validation_error("A certificate must be specified for HTTPS listeners")
        self._check_certificate(arn)
        return replace(plain, ssl_policy=policy, certificate_arn=arn)

    def _check_certificate(self, arn: str) -> None:
        if self._certificates.certificate(arn) is None:
            raise exceptions.certificate_not_found(arn)

    def describe(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DescribeListeners: by ARN, or those of one load balancer."""
        arns = params.texts(request, "ListenerArns")
        parent = params.text(request, "LoadBalancerArn")
        if arns:
            found = tuple(self._state.listener(arn) for arn in arns)
        elif parent:
            found = self._state.listeners_of(self._state.load_balancer(parent).arn)
        else:
            raise validation_error("You must specify either listener ARNs or a load balancer ARN")
        records, more = responses.page(request, found)
        return {"Listeners": [responses.listener(record) for record in records], **more}

    def modify(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """ModifyListener: what is not given stays."""
        before = self._state.listener(params.text(request, "ListenerArn"))
        load_balancer = self._state.load_balancer(before.load_balancer_arn)
        after = self._configure(before, request)
        if after.port != before.port:
            if self._on_port(load_balancer, after.port) is not None:
                raise exceptions.duplicate_listener()
            after = replace(after, bound_port=self._bound_port(load_balancer, after.port))
        actions = params.objects(request, "DefaultActions")
        if actions:
            action = parse_actions(self._state, load_balancer.arn, actions)
            after = replace(after, default_action=action)
        self._state.put(after)
        return {"Listeners": [responses.listener(after)]}

    def delete(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DeleteListener: takes its rules along."""
        record = self._state.listener(params.text(request, "ListenerArn"))
        for rule in self._state.rules_of(record.arn):
            self._state.delete(rule)
        self._state.delete(record)
        return {}

    def describe_attributes(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DescribeListenerAttributes."""
        record = self._state.listener(params.text(request, "ListenerArn"))
        return {"Attributes": responses.key_values({**_defaults(record), **record.attributes})}

    def modify_attributes(self, context: RequestContext, request: JsonObject) -> JsonObject:
        """ModifyListenerAttributes."""
        record = self._state.listener(params.text(request, "ListenerArn"))
        changes = params.pairs(request, "Attributes")
        defaults = _defaults(record)
        for key, value in changes.items():
            if key.startswith("routing.http.request.") and value != defaults.get(key):
                raise not_implemented("elbv2", "ModifyListenerAttributes", key)
        merged = attributes.merge("Listener", defaults, record.attributes, changes)
        self._state.put(replace(record, attributes=merged))
        return self.describe_attributes(context, request)

    def add_certificates(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """AddListenerCertificates: chosen by server name beside the default one."""
        record = self._https(request)
        arns = _certificate_arns(request)
        for arn in arns:
            self._check_certificate(arn)
        new = (arn for arn in arns if arn != record.certificate_arn)
        extra = tuple(dict.fromkeys((*record.extra_certificate_arns, *new)))
        if len(extra) > _MAX_EXTRA_CERTIFICATES:
            raise AwsError("TooManyCertificates", "You have reached the certificate limit")
        self._state.put(replace(record, extra_certificate_arns=extra))
        return {"Certificates": [{"CertificateArn": arn, "IsDefault": False} for arn in arns]}

    def remove_certificates(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """RemoveListenerCertificates."""
        record = self._https(request)
        gone = _certificate_arns(request)
        if record.certificate_arn in gone:
            raise exceptions.not_permitted("Default certificate cannot be removed from a listener")
        extra = tuple(arn for arn in record.extra_certificate_arns if arn not in gone)
        self._state.put(replace(record, extra_certificate_arns=extra))
        return {}

    def describe_certificates(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DescribeListenerCertificates: the default one first."""
        record = self._state.listener(params.text(request, "ListenerArn"))
        default = [record.certificate_arn] if record.certificate_arn else []
        rows = [
            {"CertificateArn": arn, "IsDefault": arn == record.certificate_arn}
            for arn in (*default, *record.extra_certificate_arns)
        ]
        found, more = responses.page(request, rows)
        return {"Certificates": list(found), **more}

    def _https(self, request: JsonObject) -> Listener:
        record = self._state.listener(params.text(request, "ListenerArn"))
        if record.protocol != "HTTPS":
            raise validation_error("Certificates can be added to HTTPS listeners only")
        return record


def _certificate_arns(request: JsonObject) -> tuple[str, ...]:
    certificates = params.objects(request, "Certificates")
    return tuple(params.text(item, "CertificateArn") for item in certificates)


def _defaults(record: Listener) -> Mapping[str, str]:
    return attributes.LISTENER_HTTPS if record.protocol == "HTTPS" else attributes.LISTENER_HTTP


def _same_settings(existing: Listener, wanted: Listener) -> bool:
    return (
        existing.protocol == wanted.protocol
        and existing.ssl_policy == wanted.ssl_policy
        and existing.certificate_arn == wanted.certificate_arn
        and existing.default_action == wanted.default_action
    )
