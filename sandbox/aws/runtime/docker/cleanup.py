"""Ends what a sandbox left on the engine: stopped with the sandbox, removed with its state."""

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sandbox.aws.runtime.docker import labels
from sandbox.aws.runtime.docker.labels import find_owner
from sandbox.aws.runtime.docker.network import remove_networks
from sandbox.aws.runtime.docker.runtime import remove_container
from sandbox.container_engine import Client, NotFoundError, connect

STOP_TIMEOUT_S = 5
_AT_ONCE = 16


def stop_tasks(root: Path, environment: Mapping[str, str]) -> None:
    """Stop every container of the sandbox, the tasks' own before those that hold networks.

    They stay known, as stopped, so that a later start of the sandbox sees how they ended.

    Raises:
        DependencyError: the engine does not answer.

    """
    owner = find_owner(root, root)
    if owner is None:
        return
    client = connect(environment).api
    try:
        rows = client.containers(filters=owner.filters())
        own = [row["Id"] for row in rows if not _is_holder(row)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda key: _stop(client, key, STOP_TIMEOUT_S), own))
            # The holders' program waits for nothing but its end.
            list(pool.map(lambda row: _stop(client, row["Id"], 0), filter(_is_holder, rows)))
    finally:
        client.close()


def remove_everything(root: Path, environment: Mapping[str, str]) -> None:
    """Remove the sandbox's containers and its network; images stay, as others may use them.

    Raises:
        DependencyError: the engine does not answer.

    """
    owner = find_owner(root, root)
    if owner is None:
        return
    client = connect(environment).api
    try:
        rows = client.containers(all=True, filters=owner.filters())
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for holders in (False, True):
                keys = [row["Id"] for row in rows if _is_holder(row) is holders]
                list(pool.map(lambda key: remove_container(client, key), keys))
        remove_networks(client, owner)
    finally:
        client.close()


def _stop(client: Client, container_id: str, timeout_s: int) -> None:
    with contextlib.suppress(NotFoundError):
        client.stop(container_id, timeout=timeout_s)


def _is_holder(row: Mapping[str, Any]) -> bool:
    return labels.labels_of(row).get(labels.ROLE) == labels.NETWORK_ROLE
