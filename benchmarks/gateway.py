"""Calls per second of the gateway, durability included, against plain `moto_server`."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import requests

from benchmarks.report import Section
from benchmarks.stand import Stand, free_port, until

_CALLS = 400


def measure(stand: Stand, share: float) -> Section:
    """Call both servers with boto3, call by call in turn."""
    count = max(20, int(_CALLS * share))
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as moto:
        url = f"http://127.0.0.1:{port}"
        until(partial(_answers, url), within_s=60, what=f"moto_server answers at {url}")
        rows = []
        for name, make in _CASES.items():
            ours = _rate(make(stand, stand.aws_url), count)
            theirs = _rate(make(stand, url), count)
            ratio = f"{ours / theirs:.2f}"
            rows.append((name, f"{ours:.0f}", f"{theirs:.0f}", ratio))
        moto.terminate()
    about = "boto3 calls per second, one client. Aim: at least equal."
    return Section("Gateway against moto_server", about,
                   ("call", "sandbox", "moto_server", "ratio"), rows)  # fmt: skip


def _answers(url: str) -> bool:
    try:
        requests.get(url, timeout=1)
    except requests.RequestException:
        return False
    return True


def _rate(call: Callable[[], object], count: int) -> float:
    for _ in range(10):
        call()
    begun = time.monotonic()
    for _ in range(count):
        call()
    return count / (time.monotonic() - begun)


def _identity(stand: Stand, url: str) -> Callable[[], object]:
    return stand.client("sts", url=url).get_caller_identity


def _s3_put(stand: Stand, url: str) -> Callable[[], object]:
    client = _bucket(stand, url)
    return lambda: client.put_object(Bucket="bench", Key="k", Body=b"x" * 1024)


def _s3_get(stand: Stand, url: str) -> Callable[[], object]:
    client = _bucket(stand, url)
    client.put_object(Bucket="bench", Key="k", Body=b"x" * 1024)

    def read() -> object:
        return client.get_object(Bucket="bench", Key="k")["Body"].read()

    return read


def _logs_put(stand: Stand, url: str) -> Callable[[], object]:
    client = stand.client("logs", url=url)
    client.create_log_group(logGroupName="bench")
    client.create_log_stream(logGroupName="bench", logStreamName="s")
    return lambda: client.put_log_events(
        logGroupName="bench",
        logStreamName="s",
        logEvents=[{"timestamp": int(time.time() * 1000), "message": "one line"}],
    )


def _ecs_describe(stand: Stand, url: str) -> Callable[[], object]:
    client = stand.client("ecs", url=url)
    client.create_cluster(clusterName="bench")
    return partial(client.describe_clusters, clusters=["bench"])


def _tag_role(stand: Stand, url: str) -> Callable[[], object]:
    client = stand.client("iam", url=url)
    client.create_role(RoleName="bench", AssumeRolePolicyDocument="{}")
    return lambda: client.tag_role(RoleName="bench", Tags=[{"Key": "k", "Value": "v"}])


def _bucket(stand: Stand, url: str) -> Any:
    client = stand.client("s3", url=url)
    client.create_bucket(Bucket="bench")
    return client


_CASES: dict[str, Callable[[Stand, str], Callable[[], object]]] = {
    "sts GetCallerIdentity": _identity,
    "s3 PutObject 1 KB": _s3_put,
    "s3 GetObject 1 KB": _s3_get,
    "iam TagRole": _tag_role,
    "logs PutLogEvents": _logs_put,
    "ecs DescribeClusters": _ecs_describe,
}
