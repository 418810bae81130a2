"""The error tree of the command and of the local AWS; it does not render anything.

SandboxError                 shown to people: message + hint
├─ UsageError                bad flag or file; exit 2
├─ DependencyError           port, binary or package missing; exit 3
├─ EnvironmentNotReadyError  timed out waiting; exit 4
└─ BugError                  broken invariant; exit 70
AwsError                     raised only under sandbox/aws; becomes an AWS error answer
"""

from pathlib import Path


class SandboxError(Exception):
    """A failure that a person can mend: `message` says what and where, `hint` says how."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SandboxError):
    """A bad flag, key or file; names the file, line and key path."""

    exit_code = 2


class DependencyError(SandboxError):
    """Something that the sandbox needs from the machine is missing or taken."""

    exit_code = 3


class EnvironmentNotReadyError(SandboxError):
    """A condition was awaited in vain; carries the last state that was seen."""

    exit_code = 4


class BugError(SandboxError):
    """An invariant of ours is broken."""

    exit_code = 70


def not_writable(home: Path, error: OSError) -> DependencyError:
    """Build the error for a state directory that cannot be written."""
    return DependencyError(
        f"The state directory {home} cannot be written: {error.strerror}.",
        hint="Set SANDBOX_HOME to a directory that you may write.",
    )


class AwsError(Exception):
    """An AWS error answer: AWS's own code, wording and HTTP status."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def not_implemented(service: str, operation: str, detail: str = "") -> AwsError:
    """Build the loud answer for an operation or field that the sandbox lacks."""
    what = f"{service}.{operation}" + (f" ({detail})" if detail else "")
    return AwsError("NotImplemented", f"The local AWS does not implement {what}.", status=501)
