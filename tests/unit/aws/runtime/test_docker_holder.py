"""The program that holds a task's network is what an engine can run."""

import io
import struct
import tarfile

import pytest

from sandbox.aws.runtime.docker.holder import image_archive, wait_program
from sandbox.errors import DependencyError


@pytest.mark.parametrize(("architecture", "machine"), [("amd64", 62), ("arm64", 183)])
def test_program_is_a_static_executable(architecture: str, machine: int) -> None:
    program = wait_program(architecture)
    assert program[:4] == b"\x7fELF"
    kind, its_machine = struct.unpack_from("<HH", program, 16)
    entry, headers = struct.unpack_from("<QQ", program, 24)
    (offset, address) = struct.unpack_from("<QQ", program, headers + 8)
    assert (kind, its_machine) == (2, machine)
    assert 0 < entry - address + offset < len(program), "it starts inside what is loaded"


def test_image_holds_the_program_alone() -> None:
    with tarfile.open(fileobj=io.BytesIO(image_archive("amd64"))) as tar:
        (member,) = tar.getmembers()
        assert (member.name, member.mode) == ("wait", 0o755)


def test_other_processors_are_refused_with_the_way_out() -> None:
    with pytest.raises(DependencyError, match="riscv64") as refused:
        wait_program("riscv64")
    assert "SANDBOX_ENGINE=process" in refused.value.hint
