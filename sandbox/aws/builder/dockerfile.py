"""Reads a Dockerfile into stages of instructions with line numbers; it judges none of them.

Source: Docker, "Dockerfile reference". Heredocs and `# escape` are refused.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sandbox.aws.builder.errors import DockerfileError

_KEYWORDS = frozenset(
    [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ]
)
_FLAG = re.compile(r"--(?P<name>[a-z-]+)(?:=(?P<value>\S*))?\s+")
_VARIABLE = re.compile(
    r"\\(?P<escaped>\$)|\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::(?P<op>[-+])(?P<word>[^}]*))?\})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction as it stands: its line, its flags and its untouched value."""

    line: int
    keyword: str
    value: str
    flags: Mapping[str, str]

    @property
    def text(self) -> str:
        """The instruction for people, in one line."""
        return f"{self.keyword} {' '.join(self.value.split())}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One FROM and what follows it."""

    origin: Instruction
    base: str
    """The image or the earlier stage, not yet expanded."""
    name: str
    """As `AS` gives it, or the stage's number."""
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """Global ARG lines and the stages."""

    arguments: tuple[Instruction, ...]
    stages: tuple[Stage, ...]


def parse_dockerfile(text: str) -> Dockerfile:
    """Parse a whole Dockerfile.

    Raises:
        DockerfileError: it is malformed; names the line.

    """
    arguments: list[Instruction] = []
    groups: list[list[Instruction]] = []
    for instruction in _instructions(text):
        if instruction.keyword == "FROM":
            groups.append([instruction])
        elif groups:
            groups[-1].append(instruction)
        elif instruction.keyword == "ARG":
            arguments.append(instruction)
        else:
            message = f"{instruction.keyword} before the first FROM"
            raise DockerfileError(instruction.line, message)
    if not groups:
        raise DockerfileError(1, "no FROM: a Dockerfile needs a base image")
    stages = tuple(_stage(number, group) for number, group in enumerate(groups))
    return Dockerfile(arguments=tuple(arguments), stages=stages)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$name`, `${name}`, `${name:-word}` and `${name:+word}`."""

    def replaced(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        value = variables.get(match["plain"] or match["name"], "")
        if match["op"] == "-":
            return value or match["word"]
        if match["op"] == "+":
            return match["word"] if value else ""
        return value

    return _VARIABLE.sub(replaced, text)


def words(instruction: Instruction, variables: Mapping[str, str]) -> list[str]:
    """Split the value into expanded words; the JSON form is taken as it is."""
    listed = json_words(instruction.value)
    if listed is not None:
        return [expand(word, variables) for word in listed]
    try:
        return [expand(word, variables) for word in shlex.split(instruction.value)]
    except ValueError as error:
        raise DockerfileError(instruction.line, f"{instruction.text}: {error}") from error


def pairs(instruction: Instruction, variables: Mapping[str, str]) -> dict[str, str]:
    """Read `name=value ...`, or the old form `name value`."""
    first = instruction.value.split(maxsplit=1)
    if "=" not in first[0]:
        if len(first) < 2:
            raise DockerfileError(instruction.line, f"{instruction.text}: no value")
        return {first[0]: expand(first[1], variables)}
    found = {}
    for word in words(instruction, variables):
        name, equals, value = word.partition("=")
        if not equals:
            raise DockerfileError(instruction.line, f"{instruction.text}: {word!r} has no '='")
        found[name] = value
    return found


def command(instruction: Instruction) -> tuple[str, ...]:
    """Return the words of CMD or ENTRYPOINT; the shell form becomes a shell's."""
    listed = json_words(instruction.value)
    return tuple(listed) if listed is not None else ("/bin/sh", "-c", instruction.value)


def json_words(value: str) -> Sequence[str] | None:
    """Return the words of a JSON list of strings, or None for anything else."""
    if not value.startswith("["):
        return None
    try:
        listed = json.loads(value)
    except ValueError:
        return None
    return listed if all(isinstance(word, str) for word in listed) else None


def _stage(number: int, group: Sequence[Instruction]) -> Stage:
    origin = group[0]
    parts = origin.value.split()
    if len(parts) == 3 and parts[1].upper() == "AS":
        name = parts[2].lower()
    elif len(parts) == 1:
        name = str(number)
    else:
        raise DockerfileError(origin.line, f"{origin.text}: expected FROM <image> [AS <name>]")
    return Stage(origin=origin, base=parts[0], name=name, instructions=tuple(group[1:]))


def _instructions(text: str) -> Iterator[Instruction]:
    for line, logical in _logical_lines(text):
        keyword, _, rest = logical.partition(" ")
        keyword = keyword.upper()
        if keyword not in _KEYWORDS:
            raise DockerfileError(line, f"unknown instruction {keyword}")
        if keyword in {"RUN", "COPY", "ADD"} and re.search(r"<<-?['\"]?\w", rest):
            raise DockerfileError(line, f"{keyword} with a heredoc is not supported")
        flags: dict[str, str] = {}
        value = rest.strip()
        while match := _FLAG.match(value):
            flags[match["name"]] = match["value"] or ""
            value = value[match.end() :].lstrip()
        if not value:
            raise DockerfileError(line, f"{keyword} needs a value")
        yield Instruction(line=line, keyword=keyword, value=value, flags=flags)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines; comments and blank lines inside them do not count."""
    start = 0
    parts: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        stripped = raw.strip()
        if number == 1 and re.match(r"#\s*escape\s*=\s*[^\\]", stripped):
            raise DockerfileError(1, "another escape character is not supported")
        if not stripped or stripped.startswith("#"):
            continue
        start = start if parts else number
        if stripped.endswith("\\"):
            parts.append(stripped[:-1].strip())
            continue
        parts.append(stripped)
        yield start, re.sub(r"^(\S+)\s+", r"\1 ", " ".join(parts).strip())
        parts = []
    if parts:
        yield start, " ".join(parts).strip()
