"""Where a request goes: a load balancer's address, the machine's own proxy, or straight on."""

import base64
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

_ELB_SUFFIX = ".elb.amazonaws.com"
_LOOPBACK_NAMES = (".localhost", ".localhost.localstack.cloud")
"""Names that mean this machine, with a name server or without one.

Source: RFC 6761, section 6.3; LocalStack documentation, "localhost.localstack.cloud".
"""


class RefusedError(Exception):
    """A request that cannot be served; becomes an answer in plain text."""

    def __init__(self, text: str, *, status: str = "502 Bad Gateway") -> None:
        super().__init__(text)
        self.text = text
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """Where to connect for a request."""

    host: str
    port: int
    proxy_authorization: str | None = None
    """Set where the hop is another proxy; empty if that one asks for no password."""
    what: str = ""
    """The hop in words, for an error."""

    @property
    def is_proxy(self) -> bool:
        """True where the hop is another proxy."""
        return self.proxy_authorization is not None


class Names:
    """Load balancer names, read again when their file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._names: Mapping[str, Mapping[str, object]] = {}

    def hop(self, host: str, port: int) -> Hop | None:
        """Return a load balancer's address, or None for a host that is none.

        Raises:
            RefusedError: the name looks like a load balancer's and is unknown, or it has no
                listener on that port.

        """
        self._refresh()
        entry = self._names.get(host)
        if entry is None:
            if host.endswith(_ELB_SUFFIX):
                known = ", ".join(sorted(self._names)) or "none"
                raise RefusedError(f"no load balancer of that name: {host}; known: {known}")
            return None
        ports = cast("Mapping[str, int]", entry["ports"])
        if str(port) not in ports:
            open_ports = ", ".join(sorted(ports, key=int)) or "none"
            raise RefusedError(
                f"load balancer {host} has no listener on port {port}; it has: {open_ports}"
            )
        what = f"load balancer {host} (is Envoy running? see `sandbox status`)"
        return Hop(host=str(entry["address"]), port=ports[str(port)], what=what)

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp != self._stamp:
                names = json.loads(self._path.read_text("utf-8"))
                self._names = {name.lower(): entry for name, entry in names.items()}
                self._stamp = stamp
        except FileNotFoundError:
            self._names, self._stamp = {}, None


class Upstream:
    """The proxies that this machine itself needs to reach the outside."""

    def __init__(self, proxies: Mapping[str, str], own_port: int) -> None:
        """Take `{"http": url, "https": url, "no": list}`; a proxy that is us is left out."""
        self._own_port = own_port
        self._by_scheme = {
            scheme: hop
            for scheme in ("http", "https")
            if (hop := self._parse(proxies.get(scheme, ""))) is not None
        }
        self._direct = [item.strip().lower() for item in proxies.get("no", "").split(",")]

    def _parse(self, url: str) -> Hop | None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if not url or parts.hostname is None:
            return None
        port = parts.port or 80
        if port == self._own_port and _is_loopback(parts.hostname):
            return None
        authorization = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        return Hop(
            host=parts.hostname,
            port=port,
            proxy_authorization=authorization,
            what=f"the proxy of this machine, {parts.hostname}:{port}",
        )

    def hop(self, scheme: str, host: str, port: int) -> Hop:
        """Return the proxy to ask for `host`, or `host` itself."""
        if f".{host}".endswith(_LOOPBACK_NAMES):
            return Hop(host="127.0.0.1", port=port, what=f"{host}:{port}")
        proxy = self._by_scheme.get(scheme)
        if proxy is None or _is_loopback(host) or any(_covers(x, host) for x in self._direct):
            return Hop(host=host, port=port, what=f"{host}:{port}")
        return proxy


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _covers(pattern: str, host: str) -> bool:
    """Tell whether an item of NO_PROXY names `host`."""
    if not pattern:
        return False
    if "/" in pattern:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(pattern, strict=False)
        except ValueError:
            return False
    suffix = pattern.removeprefix("*").removeprefix(".")
    return not suffix or host == suffix or host.endswith("." + suffix)
