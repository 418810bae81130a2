"""Load balancers and certificates as Envoy's listeners and secrets; pure, no I/O.

Clusters are in `envoy_clusters.py`, routes in `envoy_routes.py`.
"""

from functools import cache
from importlib import resources

from sandbox.aws.elbv2.attributes import LOAD_BALANCER
from sandbox.aws.elbv2.envoy_parts import ADS, config, header, typed
from sandbox.aws.elbv2.envoy_routes import (
    LUA_FILTER,
    SERVER,
    SOURCE_HEADER,
    STICKY_FILTER,
    error_page,
    listener_name,
)
from sandbox.aws.elbv2.records import Listener, LoadBalancer
from sandbox.aws.elbv2.ssl_policies import envoy_tls_parameters
from sandbox.aws.ports import Certificate
from sandbox.types import JsonObject


def secret(certificate: Certificate) -> JsonObject:
    """Return a certificate with its chain and key."""
    chain = certificate.certificate_pem.rstrip("\n") + "\n" + certificate.chain_pem
    return {
        "name": certificate.arn,
        "tls_certificate": {
            "certificate_chain": {"inline_string": chain},
            "private_key": {"inline_string": certificate.private_key_pem},
        },
    }


def listener(load_balancer: LoadBalancer, record: Listener) -> JsonObject:
    """Return the listener that binds the load balancer's address."""
    chain: dict[str, object] = {
        "filters": [{"name": "http", "typed_config": _connection_manager(load_balancer, record)}]
    }
    if record.protocol == "HTTPS":
        chain["transport_socket"] = _downstream_tls(load_balancer, record)
    return {
        "name": listener_name(record),
        "address": {
            "socket_address": {"address": load_balancer.address, "port_value": record.bound_port}
        },
        # Two processes must not share a port in silence.
        "enable_reuse_port": False,
        "filter_chains": [chain],
        "per_connection_buffer_limit_bytes": 1 << 20,
    }


def _downstream_tls(load_balancer: LoadBalancer, record: Listener) -> JsonObject:
    settings = {**LOAD_BALANCER, **load_balancer.attributes}
    http2 = settings["routing.http2.enabled"] == "true"
    arns = (record.certificate_arn, *record.extra_certificate_arns)
    return typed(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "tls_params": envoy_tls_parameters(record.ssl_policy),
            "alpn_protocols": ["h2", "http/1.1"] if http2 else ["http/1.1"],
            # Envoy picks by server name among them; the first is the default.
            "tls_certificate_sds_secret_configs": [
                {"name": arn, "sds_config": ADS} for arn in arns
            ],
        },
    )


def _connection_manager(load_balancer: LoadBalancer, record: Listener) -> JsonObject:
    settings = {**LOAD_BALANCER, **load_balancer.attributes}
    idle = f"{settings['idle_timeout.timeout_seconds']}s"
    keep_alive = f"{settings['client_keep_alive.seconds']}s"
    drop = settings["routing.http.drop_invalid_header_fields.enabled"] == "true"
    return {
        **config("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": listener_name(record),
        "codec_type": "AUTO",
        "rds": {"route_config_name": listener_name(record), "config_source": ADS},
        "early_header_mutation_extensions": [_source_header()],
        "use_remote_address": True,
        # Envoy would append its own address for a client on this machine.
        "skip_xff_append": True,
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "stream_idle_timeout": idle,
        "request_headers_timeout": idle,
        "common_http_protocol_options": {
            "idle_timeout": keep_alive,
            "max_headers_count": 1000,
            "headers_with_underscores_action": "DROP_HEADER" if drop else "ALLOW",
        },
        "max_request_headers_kb": 64,
        "http_protocol_options": {"accept_http_10": True},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "local_reply_config": {"mappers": local_replies()},
        "http_filters": [
            typed(
                LUA_FILTER,
                "filters.http.lua.v3.Lua",
                default_source_code={"inline_string": _lua()},
            ),
            # Does nothing but on routes that configure it.
            typed(STICKY_FILTER, "filters.http.stateful_session.v3.StatefulSession"),
            typed(
                "envoy.filters.http.router",
                "filters.http.router.v3.Router",
                suppress_envoy_headers=True,
            ),
        ],
    }


def _source_header() -> JsonObject:
    mutation = header(SOURCE_HEADER, "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%")
    package = "http.early_header_mutation.header_mutation.v3"
    return typed("source", f"{package}.HeaderMutation", mutations=[{"append": mutation}])


def local_replies() -> list[JsonObject]:
    """Return the pages for what Envoy answers itself, by AWS's status.

    Source: ELBv2 guide, "Troubleshoot your Application Load Balancers".
    """
    cel = "access_loggers.filters.cel.v3.ExpressionFilter"
    timed_out: JsonObject = {
        "extension_filter": typed(
            "cel", cel, expression="response.code_details.contains('timeout')"
        )
    }
    return [
        _reply(_both(_flags("UF"), timed_out), 504),
        _reply(_flags("UF", "UC", "LR", "UPE", "UR"), 502),
        _reply(_both(_flags("UT", "SI"), _status(504)), 504),
        _reply(_flags("UH", "NC", "UO"), 503),
        _reply(_status(431), 400),
    ]


def _reply(condition: JsonObject, status: int) -> JsonObject:
    return {
        "filter": condition,
        "status_code": status,
        "body": {"inline_string": error_page(status)},
        "headers_to_add": [header("server", SERVER)],
        "body_format_override": {
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "text/html",
        },
    }


def _flags(*flags: str) -> JsonObject:
    return {"response_flag_filter": {"flags": list(flags)}}


def _status(status: int) -> JsonObject:
    value = {"default_value": status, "runtime_key": "sandbox.status"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _both(*filters: JsonObject) -> JsonObject:
    return {"and_filter": {"filters": list(filters)}}


@cache
def _lua() -> str:
    return resources.files(__package__).joinpath("envoy_filter.lua").read_text("utf-8")
