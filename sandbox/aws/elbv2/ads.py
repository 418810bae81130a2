"""Envoy's aggregated discovery service over a unix socket: delta protocol, one stream an Envoy.

It holds the desired resources, sends each Envoy what it lacks, and learns what was
accepted. It knows no load balancer. What Envoy refuses is taken back out of the desired
set, so that a restarted Envoy does not meet it again.
"""

import itertools
import logging
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from sandbox.aws.elbv2.bootstrap import check_socket_path
from sandbox.aws.elbv2.xds import KIND_BY_URL, Encoded, Kind, message_class

log = logging.getLogger(__name__)

Key = tuple[Kind, str]
Changes = Mapping[Key, Encoded | None]
"""Resources to set, or with None to remove."""

_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_REQUEST = "envoy.service.discovery.v3.DeltaDiscoveryRequest"
_RESPONSE = "envoy.service.discovery.v3.DeltaDiscoveryResponse"
_ANY = "google.protobuf.Any"
_RESOURCE = "envoy.service.discovery.v3.Resource"
_WILDCARD_KINDS = frozenset({Kind.CLUSTER, Kind.LISTENER})
_ADD_ORDER = (Kind.CLUSTER, Kind.ENDPOINTS, Kind.SECRET, Kind.LISTENER, Kind.ROUTES)
_SINGLE = frozenset({Kind.LISTENER, Kind.ROUTES, Kind.SECRET})
"""Sent one resource a message, so that a refusal names its resource for certain."""


@dataclass(slots=True)
class _Stream:
    """What one connected Envoy asked for, holds, and was sent."""

    outbox: "queue.SimpleQueue[Any]" = field(default_factory=queue.SimpleQueue)
    subscribed: dict[Kind, set[str]] = field(default_factory=lambda: {kind: set() for kind in Kind})
    opened: set[Kind] = field(default_factory=set)
    held: dict[Key, str] = field(default_factory=dict)
    in_flight: dict[str, dict[Key, Encoded | None]] = field(default_factory=dict)

    def wants(self, key: Key) -> bool:
        kind, name = key
        if kind in _WILDCARD_KINDS:
            return kind in self.opened
        return name in self.subscribed[kind]


class AdsServer:
    """Serves the desired resources. Thread-safe."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._condition = threading.Condition()
        self._desired: dict[Key, Encoded] = {}
        self._accepted: dict[Key, Encoded] = {}
        self._rejected: dict[Key, tuple[str, str]] = {}
        self._told: dict[Key, str] = {}
        self._streams: list[_Stream] = []
        self._nonces = itertools.count(1)
        self._server: Any = None

    def start(self) -> None:
        """Bind the socket, replacing one that a killed process left behind."""
        check_socket_path(self._socket)
        self._socket.parent.mkdir(parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        self._server = grpc.server(ThreadPoolExecutor(8, "ads"), options=unlimited)
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve,
            request_deserializer=message_class(_REQUEST).FromString,
            response_serializer=message_class(_RESPONSE).SerializeToString,
        )
        handlers = {"DeltaAggregatedResources": handler}
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, handlers),)
        )
        self._server.add_insecure_port(f"unix:{self._socket}")
        self._server.start()

    def stop(self) -> None:
        """End all streams; Envoy goes on with what it has."""
        with self._condition:
            for stream in self._streams:
                stream.outbox.put(None)
        if self._server is not None:
            self._server.stop(grace=0.2).wait()
            self._server = None

    @property
    def is_connected(self) -> bool:
        """True while an Envoy has a stream open."""
        return bool(self._streams)

    def is_served(self, kind: Kind, name: str) -> bool:
        """True where a connected Envoy holds the desired version of a resource."""
        with self._condition:
            desired = self._desired.get((kind, name))
            return desired is not None and any(
                stream.held.get((kind, name)) == desired.version for stream in self._streams
            )

    def rejections(self) -> dict[Key, str]:
        """Return what Envoy refused and has not accepted since, with its words."""
        with self._condition:
            return {key: text for key, (_, text) in self._rejected.items()}

    def set(self, changes: Changes, *, retry: bool = False) -> None:
        """Make `changes` the desired state and send them.

        A version that was refused before is not sent again, unless `retry`.
        """
        with self._condition:
            effective = {k: v for k, v in changes.items() if retry or not self._was_refused(k, v)}
            for key, encoded in effective.items():
                self._rejected.pop(key, None)
                if encoded is None:
                    self._desired.pop(key, None)
                    self._accepted.pop(key, None)
                else:
                    self._desired[key] = encoded
            for stream in self._streams:
                self._send_changes(stream, effective)

    def wait(self, changes: Changes, timeout_s: float) -> dict[Key, str]:
        """Wait until every connected Envoy holds `changes`, or refused one, or time is up.

        Returns:
            The refused ones with Envoy's words. With no Envoy connected it is empty, at once.

        """
        deadline = time.monotonic() + timeout_s
        with self._condition:
            while True:
                refused = {
                    key: self._rejected[key][1]
                    for key, encoded in changes.items()
                    if self._was_refused(key, encoded)
                }
                left = deadline - time.monotonic()
                if refused or left <= 0 or self._is_everywhere(changes):
                    return refused
                self._condition.wait(left)

    def _was_refused(self, key: Key, encoded: Encoded | None) -> bool:
        refused = self._rejected.get(key)
        return refused is not None and encoded is not None and refused[0] == encoded.version

    def _is_everywhere(self, changes: Changes) -> bool:
        return all(
            stream.held.get(key) == (encoded.version if encoded else None)
            for stream in self._streams
            for key, encoded in changes.items()
        )

    def _serve(self, requests: Iterator[Any], _context: object) -> Iterator[Any]:
        """Speak with one Envoy until it goes; gRPC calls this once a stream."""
        stream = _Stream()
        reader = threading.Thread(
            target=self._read, args=(stream, requests), name="ads-reader", daemon=True
        )
        with self._condition:
            self._streams.append(stream)
        log.info("envoy_connected")
        reader.start()
        try:
            while (message := stream.outbox.get()) is not None:
                yield message
        finally:
            with self._condition:
                self._streams.remove(stream)
                self._condition.notify_all()
            log.info("envoy_disconnected")

    def _read(self, stream: _Stream, requests: Iterator[Any]) -> None:
        try:
            for request in requests:
                kind = KIND_BY_URL.get(request.type_url)
                if kind is not None:
                    with self._condition:
                        self._receive(stream, kind, request)
                        self._condition.notify_all()
        except grpc.RpcError:
            log.debug("ads_stream_broken")
        finally:
            stream.outbox.put(None)

    def _receive(self, stream: _Stream, kind: Kind, request: Any) -> None:
        if request.response_nonce:
            self._settle(stream, request.response_nonce, request.error_detail.message)
        initial = dict(request.initial_resource_versions)
        stream.held.update({(kind, name): version for name, version in initial.items()})
        is_first = kind not in stream.opened
        stream.opened.add(kind)
        stream.subscribed[kind] -= set(request.resource_names_unsubscribe)
        asked = set(request.resource_names_subscribe) - {"*"}
        stream.subscribed[kind] |= asked
        if kind in _WILDCARD_KINDS:
            if is_first:
                self._send_all(stream, kind, initial)
        elif asked:
            wanted = {(kind, name): self._desired.get((kind, name)) for name in asked}
            self._send(stream, {k: v for k, v in wanted.items() if not _holds(initial, k[1], v)})

    def _send_all(self, stream: _Stream, kind: Kind, initial: Mapping[str, str]) -> None:
        wanted: dict[Key, Encoded | None] = {
            key: encoded
            for key, encoded in self._desired.items()
            if key[0] is kind and not _holds(initial, key[1], encoded)
        }
        gone = {(kind, name) for name in initial if (kind, name) not in self._desired}
        self._send(stream, {**wanted, **dict.fromkeys(gone)})
        if not initial and not wanted:
            # Envoy starts serving only once it was answered, be it with nothing.
            self._post(stream, kind, {})

    def _send_changes(self, stream: _Stream, changes: Changes) -> None:
        wanted = {key: encoded for key, encoded in changes.items() if stream.wants(key)}
        # A replaced cluster warms until its endpoints are sent again.
        for kind, name in tuple(wanted):
            endpoints = (Kind.ENDPOINTS, name)
            if kind is Kind.CLUSTER and stream.wants(endpoints) and endpoints in self._desired:
                wanted.setdefault(endpoints, self._desired[endpoints])
        self._send(stream, wanted)

    def _send(self, stream: _Stream, changes: Changes) -> None:
        added = {key: encoded for key, encoded in changes.items() if encoded is not None}
        removed = {key: encoded for key, encoded in changes.items() if encoded is None}
        for kind in _ADD_ORDER:
            self._post_batches(stream, kind, added)
        for kind in reversed(_ADD_ORDER):
            self._post_batches(stream, kind, removed)

    def _post_batches(self, stream: _Stream, kind: Kind, changes: Changes) -> None:
        batch = {key: encoded for key, encoded in changes.items() if key[0] is kind}
        if kind in _SINGLE:
            for key, encoded in batch.items():
                self._post(stream, kind, {key: encoded})
        elif batch:
            self._post(stream, kind, batch)

    def _post(self, stream: _Stream, kind: Kind, batch: Changes) -> None:
        nonce = str(next(self._nonces))
        stream.in_flight[nonce] = dict(batch)
        stream.outbox.put(
            message_class(_RESPONSE)(
                type_url=kind.type_url,
                nonce=nonce,
                system_version_info=nonce,
                resources=list(_resources(kind, batch)),
                removed_resources=[name for (_, name), encoded in batch.items() if not encoded],
            )
        )

    def _settle(self, stream: _Stream, nonce: str, refusal: str) -> None:
        batch = stream.in_flight.pop(nonce, {})
        named = {key for key in batch if key[1] in refusal}
        refused = (named or set(batch)) if refusal else set()
        for key, encoded in batch.items():
            if key in refused:
                self._refuse(key, encoded, refusal)
            elif encoded is None:
                stream.held.pop(key, None)
            else:
                stream.held[key] = encoded.version
                self._accept(key, encoded)

    def _accept(self, key: Key, encoded: Encoded) -> None:
        if self._desired.get(key) == encoded:
            self._accepted[key] = encoded
            self._rejected.pop(key, None)
            if self._told.pop(key, None) is not None:
                log.info("envoy_accepted %s", key[1])

    def _refuse(self, key: Key, encoded: Encoded | None, refusal: str) -> None:
        text = " ".join(refusal.split())
        if self._told.get(key) != text:
            self._told[key] = text
            log.error("envoy_rejected %s: %s", key[1], text)
        if encoded is None or self._desired.get(key) != encoded:
            return
        self._rejected[key] = (encoded.version, text)
        before = self._accepted.get(key)
        if before is None:
            del self._desired[key]
        else:
            self._desired[key] = before


def _holds(initial: Mapping[str, str], name: str, encoded: Encoded | None) -> bool:
    return encoded is not None and initial.get(name) == encoded.version


def _resources(kind: Kind, batch: Changes) -> Iterable[Any]:
    for (_, name), encoded in batch.items():
        if encoded is not None:
            yield message_class(_RESOURCE)(
                name=name,
                version=encoded.version,
                resource=message_class(_ANY)(type_url=kind.type_url, value=encoded.value),
            )
