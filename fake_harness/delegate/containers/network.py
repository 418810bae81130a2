"""The network that the containers of one stage execution share, and its way to the local AWS.

Each step makes it where it is missing and removes it where nothing uses it any more, so none
of them has to be the first or the last.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from urllib.parse import urlsplit, urlunsplit

from docker.errors import APIError

from fake_harness.delegate.containers.engine import (
    STAGE_LABEL,
    Client,
    explained,
    remove_network,
)
from fake_harness.delegate.containers.own import OwnNetwork
from fake_harness.delegate.containers.relay import Relay
from fake_harness.delegate.results import StepFailedError

HOST = "host.docker.internal"
"""What a container calls the machine that runs it. Source: Docker Desktop's own name."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_ENDPOINTS = "AWS_ENDPOINT_URL"
_CONFLICT = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class StageNetwork:
    """A stage's network, and what a container on it must be told."""

    name: str
    hosts: Mapping[str, str]
    environment: Mapping[str, str]
    also: str = ""
    """A second network to join, on which the delegate is; empty for none."""


@contextmanager
def stage_network(
    client: Client, stage_id: str, environment: Mapping[str, str], own: OwnNetwork | None = None
) -> Iterator[StageNetwork]:
    """Join the stage's network for as long as a step runs.

    Where the delegate's AWS is one of its loopback, containers reach it too: by the address
    that the stage's bridge has on this host, or by the delegate's `own` where it is itself a
    container. That one does not join the stage: its published ports would break off each time.
    """
    name = network_name(stage_id)
    bridge = _ensure(client, name, stage_id)
    if own is not None:
        bridge = _Bridge(gateway=own.address, subnet=own.subnet)
    endpoints = {
        key: value
        for key, value in environment.items()
        if key.startswith(_ENDPOINTS) and urlsplit(value).hostname in _LOOPBACK
    }
    relays: dict[str, Relay] = {}
    try:
        told = {key: _through_relay(value, bridge, relays) for key, value in endpoints.items()}
        hosts = {HOST: bridge.gateway if relays else "host-gateway"}
        also = own.name if own and relays else ""
        yield StageNetwork(name=name, hosts=hosts, environment=told, also=also)
    finally:
        for relay in relays.values():
            relay.stop()
        remove_network(client, name)


def network_name(stage_id: str) -> str:
    """Return the name that every step of a stage execution finds its network under."""
    return f"harness-{hashlib.sha256(stage_id.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bridge:
    gateway: str
    """The address by which containers reach the delegate."""
    subnet: IPv4Network


def _ensure(client: Client, name: str, stage_id: str) -> _Bridge:
    """Return the network, made unless it is there."""
    try:
        client.create_network(name, check_duplicate=True, labels={STAGE_LABEL: stage_id})
    except APIError as error:
        if error.status_code != _CONFLICT:
            message = f"The stage has no network: {explained(error)}"
            raise StepFailedError(message, "CONNECTIVITY") from error
    place = client.inspect_network(name)["IPAM"]["Config"][0]
    return _Bridge(gateway=str(place["Gateway"]), subnet=IPv4Network(place["Subnet"]))


def _through_relay(url: str, bridge: _Bridge, relays: dict[str, Relay]) -> str:
    """Return the URL under which a container reaches a server of this host's loopback."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = f"{parts.hostname}:{port}"
    if target not in relays:
        try:
            relays[target] = Relay(bridge.gateway, bridge.subnet, (str(parts.hostname), port))
        except OSError:
            # The bridge is in another machine (Docker Desktop), which has a way of its own.
            return urlunsplit(parts._replace(netloc=f"{HOST}:{port}"))
    return urlunsplit(parts._replace(netloc=f"{HOST}:{relays[target].port}"))
