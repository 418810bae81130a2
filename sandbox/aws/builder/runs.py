"""What a RUN line means: known commands become steps, everything else is refused.

Nothing of a RUN line ever reaches a shell.
"""

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sandbox.aws.builder.dockerfile import Instruction, expand, json_words
from sandbox.aws.builder.errors import NEEDS_ENGINE, Refusal
from sandbox.aws.builder.plan import (
    ChangeMode,
    MakeFolders,
    MakeVenv,
    Note,
    NpmInstall,
    NpmRun,
    PipInstall,
    Remove,
    Step,
    UvSync,
)

SYSTEM_VENV = "/opt/sandbox/venv"
"""Where packages go that a Dockerfile installs into the base image's own Python."""

_NO_MEANING = {
    "useradd": "users are the host's",
    "adduser": "users are the host's",
    "usermod": "users are the host's",
    "groupadd": "groups are the host's",
    "addgroup": "groups are the host's",
    "chown": "files belong to the user who runs the sandbox",
    "set": "there is no shell to set up",
    "true": "it does nothing",
    "echo": "it only prints",
}
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w,\s.-]*\])?\s*([<>=!~].*)?")
_PIP_IGNORED = frozenset(
    [
        "--no-cache-dir",
        "--no-cache",
        "--quiet",
        "-q",
        "-qq",
        "--disable-pip-version-check",
        "--upgrade-strategy",
        "--no-warn-script-location",
        "--root-user-action=ignore",
        "--no-input",
        "--compile",
        "--system",
        "--break-system-packages",
        "--no-build-isolation",
    ]
)
_PIP_PASSED = frozenset(["--no-deps", "--upgrade", "-U", "--pre", "--require-hashes"])
_PIP_PASSED_VALUES = frozenset(
    ["--index-url", "-i", "--extra-index-url", "--find-links", "-f", "--constraint", "-c"]
)
_UV_SYNC = frozenset(
    [
        "--frozen",
        "--locked",
        "--no-dev",
        "--no-install-project",
        "--no-editable",
        "--all-extras",
        "--all-groups",
    ]
)
_UV_SYNC_VALUES = frozenset(["--extra", "--group", "--no-group"])
_TOOLS = frozenset({"pip", "setuptools", "wheel", "uv"})


class RefusedError(Exception):
    """A command that cannot be honoured; the text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a RUN line stands: its stage's state at that point."""

    kind: str
    workdir: str
    environment: Mapping[str, str]
    variables: Mapping[str, str]
    """Build arguments and environment."""
    venvs: tuple[str, ...] = ()


Handler = Callable[[Sequence[str], "Command"], Sequence[Step]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One simple command of a RUN line."""

    line: int
    text: str
    scope: Scope

    def path(self, word: str) -> str:
        """Return `word` as an absolute path of the stage."""
        return posixpath.normpath(posixpath.join(self.scope.workdir, word))

    def note(self, why: str) -> Sequence[Step]:
        """Return the step that only tells why nothing is done."""
        return (Note(line=self.line, text=self.text, why=why),)


def run_steps(instruction: Instruction, scope: Scope) -> tuple[list[Step], list[Refusal]]:
    """Return the steps of a RUN line, and a refusal for each command that has none."""
    steps: list[Step] = []
    refusals: list[Refusal] = []
    line = instruction.line
    mount = instruction.flags.get("mount", "type=cache")
    if "type=cache" not in mount and "type=tmpfs" not in mount:
        return [], [Refusal(line=line, text=f"RUN --mount={mount}")]
    try:
        commands = list(_commands(instruction, scope))
    except RefusedError as error:
        return [], [Refusal(line=line, text=instruction.text, reason=str(error))]
    for words in commands:
        if words[0] == "cd" and len(words) == 2:
            scope = replace(scope, workdir=posixpath.join(scope.workdir, words[1]))
            continue
        command = Command(line=line, text=f"RUN {shlex.join(words)}", scope=scope)
        try:
            steps += _steps(words, command)
        except RefusedError as error:
            refusals.append(Refusal(line=line, text=command.text, reason=str(error)))
    return steps, refusals


def _commands(instruction: Instruction, scope: Scope) -> Iterator[Sequence[str]]:
    """Split at `&&` and `;`; other shell syntax is refused."""
    listed = json_words(instruction.value)
    if listed is not None:
        yield listed
        return
    if "$(" in instruction.value or "`" in instruction.value:
        raise RefusedError(f"command substitution {NEEDS_ENGINE}")
    lexer = shlex.shlex(
        expand(instruction.value, scope.variables), posix=True, punctuation_chars=True
    )
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    try:
        tokens = list(lexer)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    for token in [*tokens, ";"]:
        if token in {"&&", ";"}:
            if words:
                yield words
            words = []
        elif token and set(token) <= set("();<>|&"):
            raise RefusedError(f"shell syntax {token!r} {NEEDS_ENGINE}")
        else:
            words.append(token)


def _steps(words: Sequence[str], command: Command) -> Sequence[Step]:
    program, *rest = _without_settings(words)
    name = program.rpartition("/")[2]
    if name in _NO_MEANING:
        return command.note(_NO_MEANING[name])
    if name.startswith("python") and rest[:1] == ["-m"] and len(rest) > 1:
        name, rest = rest[1], rest[2:]
    handler = _HANDLERS.get(re.sub(r"^pip[\d.]+$", "pip", name))
    if handler is None:
        raise RefusedError(NEEDS_ENGINE)
    if name.startswith("pip") and "/bin/" in program and not program.startswith("/usr/"):
        named = {**command.scope.environment, "VIRTUAL_ENV": program.rpartition("/bin/")[0]}
        command = replace(command, scope=replace(command.scope, environment=named))
    return handler(rest, command)


def _without_settings(words: Sequence[str]) -> Sequence[str]:
    """Drop `NAME=value` before a command, where it only tunes an installer."""
    first = 0
    while first < len(words) - 1 and re.match(r"(PIP|UV|NPM)_\w+=", words[first], re.IGNORECASE):
        first += 1
    return words[first:]


def active_venv(scope: Scope) -> str:
    """Return the environment that `pip` would install into: the first on PATH."""
    if named := scope.environment.get("VIRTUAL_ENV", ""):
        return named
    folders = scope.environment.get("PATH", "").split(":")
    on_path = [venv for folder in folders for venv in scope.venvs if folder == f"{venv}/bin"]
    return on_path[0] if on_path else SYSTEM_VENV


def _venv(words: Sequence[str], command: Command) -> Sequence[Step]:
    paths = [word for word in words if not word.startswith("-")]
    if len(paths) != 1:
        raise RefusedError("expected one path")
    return (MakeVenv(line=command.line, text=command.text, venv=command.path(paths[0])),)


def _pip(words: Sequence[str], command: Command) -> Sequence[Step]:
    if words[:1] in (["cache"], ["check"], ["list"], ["--version"]):
        return command.note("it changes nothing in the image")
    if words[:1] != ["install"]:
        raise RefusedError(NEEDS_ENGINE)
    return _pip_install(words[1:], command)


def _pip_install(words: Sequence[str], command: Command) -> Sequence[Step]:
    venv = active_venv(command.scope)
    requirements: list[str] = []
    packages: list[str] = []
    options: list[str] = []
    queue = _split_values(words)
    while queue:
        word = queue.pop(0)
        if word in {"-r", "--requirement"} and queue:
            requirements.append(command.path(queue.pop(0)))
        elif word == "--user":
            venv = "/root/.local"
        elif word in {"--prefix", "--target"} and queue and word == "--prefix":
            venv = command.path(queue.pop(0))
        elif word in _PIP_IGNORED:
            continue
        elif word in _PIP_PASSED:
            options.append(word)
        elif word in _PIP_PASSED_VALUES and queue:
            options += [word, queue.pop(0)]
        elif word == "." or _REQUIREMENT.fullmatch(word):
            packages.append(word)
        else:
            raise RefusedError(f"pip install {word}: {NEEDS_ENGINE}")
    packages = [p for p in packages if re.split(r"[\[<>=!~ ]", p)[0] not in _TOOLS]
    if not packages and not requirements:
        return command.note("the host's own tools install the packages")
    return (
        PipInstall(
            line=command.line,
            text=command.text,
            venv=venv,
            workdir=command.scope.workdir,
            requirements=tuple(requirements),
            packages=tuple(packages),
            options=tuple(options),
        ),
    )


def _uv(words: Sequence[str], command: Command) -> Sequence[Step]:
    if words[:2] == ["pip", "install"]:
        return _pip_install(words[2:], command)
    if words[:1] == ["venv"]:
        return _venv(words[1:] or [".venv"], command)
    if words[:1] != ["sync"]:
        raise RefusedError(NEEDS_ENGINE)
    options: list[str] = []
    queue = _split_values(words[1:])
    while queue:
        word = queue.pop(0)
        if word in _UV_SYNC:
            options.append(word)
        elif word in _UV_SYNC_VALUES and queue:
            options += [word, queue.pop(0)]
        elif word not in _PIP_IGNORED and word != "--compile-bytecode":
            raise RefusedError(f"uv sync {word}: {NEEDS_ENGINE}")
    place = command.scope.environment.get("UV_PROJECT_ENVIRONMENT", ".venv")
    return (
        UvSync(
            line=command.line,
            text=command.text,
            venv=command.path(place),
            workdir=command.scope.workdir,
            options=tuple(options),
        ),
    )


def _npm(words: Sequence[str], command: Command) -> Sequence[Step]:
    if command.scope.kind != "node":
        raise RefusedError(f"npm outside a node stage {NEEDS_ENGINE}")
    verb, *rest = words or [""]
    where = command.scope.workdir
    if verb in {"ci", "install", "i"}:
        if any(not word.startswith("-") or word in {"-g", "--global"} for word in rest):
            raise RefusedError(NEEDS_ENGINE)
        arguments = ("ci" if verb == "ci" else "install", *rest)
        return (
            NpmInstall(line=command.line, text=command.text, workdir=where, arguments=arguments),
        )
    if verb in {"cache", "config", "--version", "-v"}:
        return command.note("it changes nothing in the image")
    if verb in {"run", "run-script"} and len(rest) == 1:
        script = rest[0]
    elif verb in {"test", "start"} and not rest:
        script = verb
    else:
        raise RefusedError(NEEDS_ENGINE)
    return (
        NpmRun(
            line=command.line,
            text=command.text,
            workdir=where,
            script=script,
            environment=command.scope.variables,
        ),
    )


def _mkdir(words: Sequence[str], command: Command) -> Sequence[Step]:
    paths = tuple(command.path(word) for word in words if not word.startswith("-"))
    return (MakeFolders(line=command.line, text=command.text, paths=paths),)


def _rm(words: Sequence[str], command: Command) -> Sequence[Step]:
    paths = tuple(command.path(word) for word in words if not word.startswith("-"))
    return (Remove(line=command.line, text=command.text, paths=paths),)


def _chmod(words: Sequence[str], command: Command) -> Sequence[Step]:
    mode, *paths = [word for word in words if word != "-R"] or [""]
    if not re.fullmatch(r"[0-7]{3,4}|[ugoa]*\+[rwxX]+", mode):
        raise RefusedError(f"mode {mode!r} is not supported")
    where = tuple(command.path(path) for path in paths)
    return (ChangeMode(line=command.line, text=command.text, mode=mode, paths=where),)


def _compileall(words: Sequence[str], command: Command) -> Sequence[Step]:
    del words
    return command.note("packages are compiled when they are installed")


def _split_values(words: Sequence[str]) -> list[str]:
    """Write `--option=value` and `-rfile` as two words."""
    out: list[str] = []
    for word in words:
        option, equals, value = word.partition("=")
        if word.startswith("--") and equals and word not in _PIP_IGNORED:
            out += [option, value]
        elif re.match(r"-[rcif].", word):
            out += [word[:2], word[2:]]
        else:
            out.append(word)
    return out


_HANDLERS: Mapping[str, Handler] = {
    "venv": _venv,
    "virtualenv": _venv,
    "pip": _pip,
    "uv": _uv,
    "npm": _npm,
    "mkdir": _mkdir,
    "rm": _rm,
    "chmod": _chmod,
    "compileall": _compileall,
}
