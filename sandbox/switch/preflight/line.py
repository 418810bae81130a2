"""One line of a preflight: what was looked at, what was found, and how to mend it."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a finding means for the stack."""

    OK = "ok"
    WARNING = "warning"
    """Not known, or only perhaps a problem."""
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One finding."""

    check: str
    verdict: Verdict
    detail: str
    mend: str = ""


def ok(check: str, detail: str) -> Line:
    """Make the line of something in order."""
    return Line(check=check, verdict=Verdict.OK, detail=detail)


def warning(check: str, detail: str, mend: str) -> Line:
    """Make the line of something that is not known or only perhaps a problem."""
    return Line(check=check, verdict=Verdict.WARNING, detail=detail, mend=mend)


def blocked(check: str, detail: str, mend: str) -> Line:
    """Make the line of something that would stop the stack."""
    return Line(check=check, verdict=Verdict.BLOCKED, detail=detail, mend=mend)
