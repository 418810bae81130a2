"""Why a build ends without an image."""

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.errors import SandboxError

NEEDS_ENGINE = "needs a container engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One line of a Dockerfile that cannot be honoured."""

    line: int
    text: str
    reason: str = NEEDS_ENGINE

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}: {self.reason}"


class DockerfileError(SandboxError):
    """The Dockerfile is malformed."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


class BuildRefusedError(SandboxError):
    """The Dockerfile asks for what only a container engine can do; all reasons at once."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__(
            "\n".join(str(refusal) for refusal in refusals),
            hint="Start a container engine, or keep to what `sandbox image build` can do: "
            "pip, uv and npm installs, copies, users and directories.",
        )
        self.refusals = tuple(refusals)


class BuildFailedError(SandboxError):
    """A step of the build failed; the text says which and how."""
