"""The container runtimes that the contract test runs against, each behind one small case.

To add a runtime: write a `RuntimeCase` for it (in its own module) and put it in `RUNTIMES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sandbox.aws.runtime.fake import FakeMachine, FakeRuntime, Program
from sandbox.aws.runtime.port import ContainerRuntime, ContainerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a container of the contract test is to do."""

    prints: tuple[str, ...] = ()
    """Lines on stdout right after the start."""
    exit_code: int | None = None
    """End with this code after printing; None: run (and listen, when `port`) until stopped."""
    ignores_sigterm: bool = False
    port: int | None = None
    """Container port on which it accepts TCP connections (a fake need not)."""
    startable: bool = True
    """False: the command does not exist."""


class RuntimeCase(Protocol):
    """One runtime on one fresh state directory."""

    runtime: ContainerRuntime
    really_listens: bool
    """True when a container's port accepts connections at its address."""

    def container(self, name: str, behaviour: Behaviour) -> ContainerSpec:
        """Return a container that behaves so, its image pullable."""

    def missing_image(self) -> str:
        """Return a reference to an image that does not exist."""

    def reopen(self) -> ContainerRuntime:
        """Replace `runtime` as a new process would after kill -9 of the old one."""

    def close(self) -> None:
        """Stop and remove everything."""


class FakeCase:
    really_listens = False

    def __init__(self, _state: Path) -> None:
        self.machine = FakeMachine()
        self.runtime: ContainerRuntime = FakeRuntime(self.machine)

    def container(self, name: str, behaviour: Behaviour) -> ContainerSpec:
        image = f"fake/{behaviour!r}"
        self.machine.programs[image] = Program(
            stdout=behaviour.prints,
            exit_code=behaviour.exit_code,
            ignores_sigterm=behaviour.ignores_sigterm,
            start_error="" if behaviour.startable else "CannotStartContainerError: no such file",
        )
        ports = (behaviour.port,) if behaviour.port else ()
        return ContainerSpec(name=name, image=image, container_ports=ports)

    def missing_image(self) -> str:
        error = "CannotPullContainerError: fake/missing:latest: not found"
        self.machine.programs["fake/missing:latest"] = Program(pull_error=error)
        return "fake/missing:latest"

    def reopen(self) -> ContainerRuntime:
        self.runtime = FakeRuntime(self.machine)
        return self.runtime

    def close(self) -> None:
        self.runtime.close()


RUNTIMES: dict[str, Callable[[Path], RuntimeCase]] = {"fake": FakeCase}
