"""ELBv2 put together: the operations, the control plane of Envoy, and the loop of targets.

Envoy itself is run by others, with `bootstrap.envoy_command`.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from sandbox.aws.elbv2 import account, exceptions
from sandbox.aws.elbv2.admin import EnvoyAdmin
from sandbox.aws.elbv2.ads import AdsServer
from sandbox.aws.elbv2.attributes import UNENFORCED
from sandbox.aws.elbv2.bootstrap import admin_socket, health_log
from sandbox.aws.elbv2.envoy_routes import listener_name
from sandbox.aws.elbv2.health import HealthReader
from sandbox.aws.elbv2.health_events import HealthEvents
from sandbox.aws.elbv2.lifecycle import TargetLoop
from sandbox.aws.elbv2.listeners import ListenerOperations
from sandbox.aws.elbv2.load_balancers import LoadBalancerOperations
from sandbox.aws.elbv2.names import NamesFile
from sandbox.aws.elbv2.publisher import Publisher
from sandbox.aws.elbv2.records import Listener, LoadBalancer
from sandbox.aws.elbv2.registration import Registrations
from sandbox.aws.elbv2.rules import RuleOperations
from sandbox.aws.elbv2.state import State
from sandbox.aws.elbv2.tags import TagOperations
from sandbox.aws.elbv2.target_groups import TargetGroupOperations
from sandbox.aws.elbv2.targets import EcsRegistrar, TargetOperations
from sandbox.aws.elbv2.xds import Kind
from sandbox.aws.ports import CertificateSource, NetworkPlane
from sandbox.aws.store import RecordStore
from sandbox.aws.wire import AwsService, Handler, RequestContext
from sandbox.clock import Now, TimeScale, utc_now
from sandbox.types import JsonObject

log = logging.getLogger(__name__)

_ACK_TIMEOUT_S = 2.0


class Elbv2Plane:
    """ELBv2 behind `service`, for ECS behind `registrar`.

    `start()` must be called in the process that serves, after any fork.
    """

    def __init__(  # noqa: PLR0913  one argument a port or path
        self,
        *,
        store: RecordStore,
        network: NetworkPlane,
        certificates: CertificateSource,
        time_scale: TimeScale,
        alb_network: str,
        names_file: Path,
        envoy_dir: Path,
        ads_socket: Path,
        now: Now = utc_now,
    ) -> None:
        self._state = State(store)
        self._admin = EnvoyAdmin(admin_socket(envoy_dir))
        self._ads = AdsServer(ads_socket)
        self._publisher = Publisher(
            state=self._state,
            ads=self._ads,
            certificates=certificates,
            time_scale=time_scale,
            health_log=health_log(envoy_dir),
        )
        self._names = NamesFile(names_file, self._state)
        registrations = Registrations(self._state, time_scale)
        events = HealthEvents(health_log(envoy_dir))
        health = HealthReader(self._state, self._admin, events)
        self._loop = TargetLoop(
            state=self._state,
            registrations=registrations,
            publisher=self._publisher,
            health=health,
            now=now,
        )
        handlers = self._handlers(network, certificates, alb_network)
        targets = TargetOperations(self._state, registrations, health)
        handlers.update(self._changing(targets.handlers()))
        self.service = AwsService("elbv2", handlers, invalid_parameter_code="ValidationError")
        self.registrar = EcsRegistrar(
            state=self._state,
            registrations=registrations,
            health=health,
            publisher=self._publisher,
            wake=self._loop.wake,
            now=now,
        )

    def start(self) -> None:
        """Serve Envoy its configuration, publish the names, and start the loop."""
        self._ads.start()
        with self._state.change():
            self._publisher.publish()
            self._names.write()
        self._loop.start()

    def stop(self) -> None:
        """End what `start` started; Envoy goes on serving."""
        self._loop.stop()
        self._ads.stop()

    def status(self) -> JsonObject:
        """Return the data plane's state for people: addresses, ports and refusals."""
        refused = self._ads.rejections()
        return {
            "envoy": "connected" if self._ads.is_connected else "not connected",
            "load_balancers": [
                {
                    "name": record.name,
                    "dns_name": record.dns_name,
                    "address": record.address,
                    "listeners": [
                        self._listener_status(listener, refused)
                        for listener in self._state.listeners_of(record.arn)
                    ],
                    "not_enforced": sorted(_unenforced(record)),
                }
                for record in self._state.load_balancers()
            ],
            "refused": [
                {"resource": name, "detail": text} for (_, name), text in sorted(refused.items())
            ],
        }

    def _listener_status(
        self, listener: Listener, refused: Mapping[tuple[Kind, str], str]
    ) -> JsonObject:
        name = listener_name(listener)
        detail = refused.get((Kind.LISTENER, name), "")
        is_served = self._ads.is_served(Kind.LISTENER, name)
        state = "serving" if is_served and self._ads.is_served(Kind.ROUTES, name) else "waiting"
        return {
            "protocol": listener.protocol,
            "port": listener.port,
            "bound_port": listener.bound_port,
            "state": "refused" if detail else state,
            "detail": detail,
        }

    def _handlers(
        self, network: NetworkPlane, certificates: CertificateSource, alb_network: str
    ) -> dict[str, Handler]:
        load_balancers = LoadBalancerOperations(self._state, network, alb_network=alb_network)
        return {
            **self._changing(load_balancers.handlers()),
            **self._changing(ListenerOperations(self._state, certificates).handlers()),
            **self._changing(RuleOperations(self._state).handlers()),
            **self._changing(TargetGroupOperations(self._state).handlers()),
            **self._changing(TagOperations(self._state).handlers()),
            **account.handlers(),
        }

    def _changing(self, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
        return {
            name: handler if name.startswith("Describe") else self._applied(handler)
            for name, handler in handlers.items()
        }

    def _applied(self, handler: Handler) -> Handler:
        """Wrap a writing handler: one transaction, then Envoy's word for it.

        The answer is given once Envoy has the change, or at once where no Envoy is
        connected. What Envoy refuses is taken back and becomes the answer.
        """

        def run(context: RequestContext, request: JsonObject) -> JsonObject:
            with self._state.change() as change:
                result = handler(context, request)
                changes = {} if change.is_empty else self._publisher.publish()
                self._names.write()
            refused = self._publisher.wait(changes, _ACK_TIMEOUT_S)
            if refused:
                with self._state.change():
                    self._state.take_back(change)
                    self._publisher.publish()
                    self._names.write()
                raise exceptions.data_plane_refused("; ".join(refused.values()))
            self._loop.wake()
            return result

        return run


def _unenforced(record: LoadBalancer) -> list[str]:
    return [key for key, value in UNENFORCED.items() if record.attributes.get(key) == value]
