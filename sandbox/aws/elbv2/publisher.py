"""Keeps Envoy's desired resources equal to the records; the only user of the ADS server."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.aws.elbv2 import envoy, envoy_clusters
from sandbox.aws.elbv2.ads import AdsServer, Changes, Key
from sandbox.aws.elbv2.attributes import TARGET_GROUP
from sandbox.aws.elbv2.envoy_routes import StickyTargets, listener_name, route_configuration
from sandbox.aws.elbv2.records import (
    Listener,
    RegisteredTarget,
    Rule,
    TargetGroup,
    TargetPhase,
)
from sandbox.aws.elbv2.state import State
from sandbox.aws.elbv2.xds import Encoded, Kind, encode
from sandbox.aws.ports import CertificateSource
from sandbox.clock import TimeScale
from sandbox.types import JsonObject

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cached:
    inputs: object
    encoded: Encoded


class Publisher:
    """Makes resources from records and hands what changed to the ADS server.

    A resource is made anew only when the records that it is made of changed: a rule change
    beside 5,000 target groups costs one route configuration.
    """

    def __init__(
        self,
        *,
        state: State,
        ads: AdsServer,
        certificates: CertificateSource,
        time_scale: TimeScale,
        health_log: Path,
    ) -> None:
        self._state = state
        self._ads = ads
        self._certificates = certificates
        self._time_scale = time_scale
        self._health_log = health_log
        self._cache: dict[Key, _Cached] = {}

    def publish(self, *, retry: bool = False) -> Changes:
        """Send what changed since the last call; return it. Quick: it awaits nothing.

        Called inside `State.change()`. With `retry`, what Envoy refused is sent again.
        """
        before = {key: cached.encoded for key, cached in self._cache.items()}
        self._cache = self._build()
        after = {key: cached.encoded for key, cached in self._cache.items()}
        changes: dict[Key, Encoded | None] = {
            key: encoded for key, encoded in after.items() if before.get(key) != encoded
        }
        changes.update(dict.fromkeys(before.keys() - after.keys()))
        if retry:
            changes.update({k: after[k] for k in self._ads.rejections() if k in after})
        if changes:
            self._ads.set(changes, retry=retry)
        return changes

    def _build(self) -> dict[Key, _Cached]:
        built: dict[Key, _Cached] = {}
        self._build_target_groups(built)
        self._build_listeners(built)
        return built

    def _build_target_groups(self, built: dict[Key, _Cached]) -> None:
        uses = self._state.uses()
        served: dict[str, list[RegisteredTarget]] = {}
        for target in self._state.targets():
            if target.phase is TargetPhase.ACTIVE:
                served.setdefault(target.target_group_arn, []).append(target)
        for group in self._state.target_groups():
            targets = tuple(served.get(group.arn, ()))
            is_used = group.arn in uses
            self._add(built, (Kind.CLUSTER, group.arn), (group, is_used), self._cluster)
            self._add(
                built, (Kind.ENDPOINTS, group.arn), (group, targets), envoy_clusters.endpoints
            )

    def _cluster(self, group: TargetGroup, is_used: bool) -> JsonObject:  # noqa: FBT001  an input
        return envoy_clusters.cluster(
            group, is_used=is_used, time_scale=self._time_scale, health_log=self._health_log
        )

    def _build_listeners(self, built: dict[Key, _Cached]) -> None:
        rules: dict[str, list[Rule]] = {}
        for rule in self._state.rules():
            rules.setdefault(rule.listener_arn, []).append(rule)
        for listener in self._state.listeners():
            load_balancer = self._state.load_balancer(listener.load_balancer_arn)
            name = listener_name(listener)
            self._add(built, (Kind.LISTENER, name), (load_balancer, listener), envoy.listener)
            ordered = tuple(rules.get(listener.arn, ()))
            sticky = self._sticky(listener, ordered)
            inputs = (load_balancer, listener, ordered, sticky)
            self._add(built, (Kind.ROUTES, name), inputs, route_configuration)
            self._build_secrets(built, listener)

    def _sticky(self, listener: Listener, rules: Sequence[Rule]) -> tuple[StickyTargets, ...]:
        actions = (listener.default_action, *(rule.action for rule in rules))
        arns = sorted({arn for action in actions for arn in action.target_group_arns})
        groups = (self._state.target_group(arn) for arn in arns)
        settings = ((group.arn, {**TARGET_GROUP, **group.attributes}) for group in groups)
        return tuple(
            StickyTargets(
                target_group_arn=arn,
                duration_s=int(values["stickiness.lb_cookie.duration_seconds"]),
            )
            for arn, values in settings
            if values["stickiness.enabled"] == "true"
        )

    def _build_secrets(self, built: dict[Key, _Cached], listener: Listener) -> None:
        if listener.protocol != "HTTPS":
            return
        for arn in (listener.certificate_arn, *listener.extra_certificate_arns):
            certificate = self._certificates.certificate(arn)
            if certificate is None:
                log.error("certificate_missing", extra={"certificate_arn": arn})
            else:
                self._add(built, (Kind.SECRET, arn), (certificate,), envoy.secret)

    def _add(
        self,
        built: dict[Key, _Cached],
        key: Key,
        inputs: tuple[object, ...],
        make: Callable[..., JsonObject],
    ) -> None:
        cached = self._cache.get(key)
        if cached is None or cached.inputs != inputs:
            cached = _Cached(inputs=inputs, encoded=encode(key[0], make(*inputs)))
        built[key] = cached

    def wait(self, changes: Changes, timeout_s: float) -> dict[Key, str]:
        """Wait until Envoy took `changes`; return what it refused (see `AdsServer.wait`)."""
        started = time.monotonic()
        refused = self._ads.wait(changes, timeout_s)
        waited_ms = round((time.monotonic() - started) * 1000)
        if changes:
            log.debug("envoy_updated", extra={"resources": len(changes), "waited_ms": waited_ms})
        return refused
