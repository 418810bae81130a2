"""Gives the files that a container's root wrote to a delegate that is not root.

Only root may do that, and on the engine every user of it is: a container of the step's own
image hands them over, with no network and no other rights.
"""

import os
from collections.abc import Mapping

from docker.errors import APIError

from fake_harness.delegate.containers.document import SCRATCH, WORKSPACE
from fake_harness.delegate.containers.engine import Client, explained
from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import JsonObject

_ROOT = frozenset({"", "0", "root"})
TRUST: Mapping[str, str] = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}
"""A container's root meets a workspace of another user, which git otherwise refuses to read.
Source: git-config, `safe.directory`; `GIT_CONFIG_COUNT`."""


def is_needed(user: str) -> bool:
    """Tell whether a container of this `user` may write files that the delegate cannot change."""
    return os.getuid() != 0 and user.partition(":")[0] in _ROOT


def give_back(client: Client, context: StepContext, step: JsonObject) -> None:
    """Make the delegate the owner of what root has in the folders of a step's container.

    Args:
        client: the engine.
        context: of the step; a failure is a warning in its log.
        step: the container, as the engine was asked for it.
    """
    document = give_back_document(step, uid=os.getuid(), gid=os.getgid())
    try:
        identifier = str(client.create_container_from_config(document)["Id"])
        client.start(identifier)
        code = int(client.wait(identifier)["StatusCode"])
        failure = f"exit code {code}" if code else ""
    except APIError as error:
        failure = explained(error)
    if failure:
        context.log(
            "What the container's root wrote stays root's, and later steps on the delegate may "
            f"be refused: the image cannot hand it over ({failure}).",
            level="WARN",
        )


def give_back_document(step: JsonObject, *, uid: int, gid: int) -> JsonObject:
    """Return the body of ContainerCreate. Files of other users stay theirs: they may run still."""
    host = step["HostConfig"]
    assert isinstance(host, Mapping)  # noqa: S101  (container_document made it)
    find = ["find", WORKSPACE, SCRATCH, "-xdev", "-user", "0"]
    return {
        "Image": step["Image"],
        "Entrypoint": find,
        "Cmd": ["-exec", "chown", "-h", f"{uid}:{gid}", "{}", "+"],
        "User": "0:0",
        "Labels": step["Labels"],
        "HostConfig": {
            "Binds": host["Binds"],
            "NetworkMode": "none",
            "CapDrop": ["ALL"],
            "CapAdd": ["CHOWN", "DAC_OVERRIDE"],
        },
    }
