"""AWS's own host names in requests: what they say beyond the signature; pure.

Clients that are pointed here by an endpoint variable name buckets in the path. Those that
reach this emulator by AWS's names, as behind a resolver of their own, put them in the host,
and so do LocalStack's, whose name for the loopback address has subdomains.
"""

import dataclasses
import re

from sandbox.aws.wire import HeaderMap, WireRequest

_BUCKET_HOST = re.compile(
    r"(?P<bucket>[a-z0-9][a-z0-9.-]+)\.s3[.-](?:dualstack\.)?(?:[a-z0-9-]+\.)?amazonaws\.com"
)
_LOCALSTACK_HOST = re.compile(
    r"(?:(?P<bucket>[a-z0-9][a-z0-9.-]+)\.)?s3\.(?:[a-z0-9-]+\.)?localhost\.localstack\.cloud"
)
_SUFFIX = ".amazonaws.com"


def host_of(request: WireRequest) -> str:
    """Return the host that a request names, without its port."""
    return request.headers.get("Host", "").rpartition(":")[0] or request.headers.get("Host", "")


def is_aws_name(host: str) -> bool:
    """Tell whether a client came by one of AWS's names instead of this endpoint's address."""
    return host.endswith(_SUFFIX)


def path_style(request: WireRequest) -> WireRequest:
    """Return a request for a bucket's own host name as the same one with the bucket in its path.

    Source: S3 user guide, "Virtual hosting of buckets".
    """
    host = host_of(request)
    match = _BUCKET_HOST.fullmatch(host) or _LOCALSTACK_HOST.fullmatch(host)
    if match is None:
        return request
    bucket = match["bucket"] or ""
    headers = HeaderMap(request.headers)
    # LocalStack's name is not S3's to others: they would take its "s3" for a bucket.
    headers["Host"] = host.removeprefix(f"{bucket}.") if is_aws_name(host) else "localhost"
    if not bucket:
        return dataclasses.replace(request, headers=headers)
    return dataclasses.replace(
        request,
        path=f"/{bucket}{request.path}",
        raw_uri=f"/{bucket}{request.raw_uri or request.path}",
        headers=headers,
    )
