"""The image of the container that holds a task's network; it does nothing but wait.

As Kubernetes' pause container does, it owns the network namespace that all containers of a
task share, so that any of them may end and start without taking the address along. No
registry has to be asked for it: its only file is a program of a few instructions, written
out below, and the engine imports it from memory.
"""

import io
import struct
import tarfile
from collections.abc import Mapping

from sandbox.container_engine import Client, NotFoundError
from sandbox.errors import DependencyError

IMAGE = "sandbox/task-network:1"
_LOAD_ADDRESS = 0x400000
_HEADERS = 64 + 56

_PROGRAMS: Mapping[str, tuple[int, bytes]] = {
    # ELF machine and code. mov eax, 34 (pause); syscall; jmp to the start
    "amd64": (62, bytes.fromhex("b822000000 0f05 ebf7")),
    # mov x0..x3, 0; mov x8, 73 (ppoll); svc 0; b to the start. Unverified: never run.
    "arm64": (
        183,
        bytes.fromhex("000080d2 010080d2 020080d2 030080d2 280980d2 010000d4 faffff17"),
    ),
}


def ensure_image(client: Client) -> None:
    """Make the image known to the engine; one that is there is left alone.

    Raises:
        DependencyError: there is no such program for the engine's processors.

    """
    try:
        client.inspect_image(IMAGE)
    except NotFoundError:
        repository, _, tag = IMAGE.partition(":")
        client.import_image_from_data(
            image_archive(str(client.version()["Arch"])),
            repository=repository,
            tag=tag,
            changes=['ENTRYPOINT ["/wait"]', "LABEL sandbox.image=task-network"],
        )


def image_archive(architecture: str) -> bytes:
    """Return the image's file system as a tar.

    Raises:
        DependencyError: there is no program for this architecture.

    """
    program = wait_program(architecture)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("wait")
        member.mode, member.size = 0o755, len(program)
        tar.addfile(member, io.BytesIO(program))
    return archive.getvalue()


def wait_program(architecture: str) -> bytes:
    """Return a static Linux program (ELF, 64 bit) that waits until it is killed.

    Raises:
        DependencyError: none is written for this architecture.

    """
    if architecture not in _PROGRAMS:
        raise DependencyError(
            f"The Docker engine runs on {architecture}; tasks run on amd64 and arm64 only.",
            hint="Choose the other runtime: SANDBOX_ENGINE=process.",
        )
    machine, code = _PROGRAMS[architecture]
    entry, size = _LOAD_ADDRESS + _HEADERS, _HEADERS + len(code)
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = identity + struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, 0x1000)
    return header + segment + code
