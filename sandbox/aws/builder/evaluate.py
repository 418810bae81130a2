"""From a Dockerfile's text to a build plan: pure; all that cannot be honoured is listed at once."""

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sandbox.aws.builder.dockerfile import (
    Dockerfile,
    Instruction,
    Stage,
    command,
    expand,
    pairs,
    parse_dockerfile,
    words,
)
from sandbox.aws.builder.errors import (
    NEEDS_ENGINE,
    BuildRefusedError,
    DockerfileError,
    Refusal,
)
from sandbox.aws.builder.plan import (
    Base,
    BuildPlan,
    Copy,
    ImageSettings,
    MakeVenv,
    Note,
    PipInstall,
    StagePlan,
    Step,
    UvSync,
)
from sandbox.aws.builder.runs import Scope, run_steps

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BASES: Mapping[str, tuple[str, ImageSettings]] = {
    "python": (
        "python",
        ImageSettings(
            environment={"PATH": f"/usr/local/bin:{_PATH}", "LANG": "C.UTF-8"},
            command=("python3",),
        ),
    ),
    "node": ("node", ImageSettings(environment={"PATH": _PATH}, command=("node",))),
    "nginx": (
        "nginx",
        ImageSettings(
            environment={"PATH": _PATH},
            entry_point=("/docker-entrypoint.sh",),
            command=("nginx", "-g", "daemon off;"),
            exposed=("80/tcp",),
            stop_signal="SIGQUIT",
        ),
    ),
    "scratch": ("scratch", ImageSettings()),
}
_BASES_ALIASES = {"nginx-unprivileged": "nginx"}
_FINAL_KINDS = frozenset({"python", "nginx"})


def plan_build(
    text: str, *, build_args: Mapping[str, str] | None = None, target: str = ""
) -> BuildPlan:
    """Plan the build of a Dockerfile's text.

    Raises:
        DockerfileError: it is malformed.
        BuildRefusedError: it needs a container engine; says where and why.

    """
    dockerfile = parse_dockerfile(text)
    evaluation = _Evaluation(dockerfile, build_args or {})
    final = evaluation.final(target)
    evaluation.require(final)
    if not evaluation.refusals and evaluation.plans[final.name].base.kind not in _FINAL_KINDS:
        reason = f"an image that runs on {final.base} {NEEDS_ENGINE} (python and nginx do not)"
        evaluation.refuse(final.origin, reason)
    if evaluation.refusals:
        raise BuildRefusedError(sorted(evaluation.refusals, key=lambda r: r.line))
    return BuildPlan(stages=tuple(evaluation.plans.values()))


@dataclass(slots=True)
class _State:
    """A stage while its instructions are read."""

    name: str
    base: Base
    parent: str | None
    settings: ImageSettings
    arguments: dict[str, str]
    steps: list[Step] = field(default_factory=list)
    venvs: list[str] = field(default_factory=list)

    @property
    def variables(self) -> Mapping[str, str]:
        return {**self.arguments, **self.settings.environment}

    def change(self, **changes: object) -> None:
        self.settings = replace(self.settings, **changes)  # type: ignore[arg-type]


class _Evaluation:
    """One reading of a Dockerfile; stages that the target does not need are never judged."""

    def __init__(self, dockerfile: Dockerfile, build_args: Mapping[str, str]) -> None:
        self._stages = {stage.name: stage for stage in dockerfile.stages}
        self._order = [stage.name for stage in dockerfile.stages]
        self._build_args = build_args
        self._globals: dict[str, str] = {}
        for argument in dockerfile.arguments:
            self._globals |= _argument(argument, self._globals, build_args)
        self.plans: dict[str, StagePlan] = {}
        self._venvs: dict[str, list[str]] = {}
        self.refusals: list[Refusal] = []
        self._handlers: Mapping[str, Callable[[Instruction, _State], None]] = {
            "ADD": self._copy,
            "ARG": self._arg,
            "CMD": self._cmd,
            "COPY": self._copy,
            "ENTRYPOINT": self._entry_point,
            "ENV": self._env,
            "EXPOSE": self._expose,
            "HEALTHCHECK": self._health_check,
            "LABEL": self._label,
            "MAINTAINER": self._nothing,
            "RUN": self._run,
            "STOPSIGNAL": self._stop_signal,
            "USER": self._user,
            "VOLUME": self._volume,
            "WORKDIR": self._workdir,
        }

    def final(self, target: str) -> Stage:
        """Return the target stage, or the last one."""
        name = target.lower() or self._order[-1]
        if name not in self._stages:
            raise DockerfileError(1, f"no stage is named {target!r}")
        return self._stages[name]

    def require(self, stage: Stage) -> StagePlan | None:
        """Plan a stage, after those that it takes from; None when it is refused."""
        if stage.name in self.plans:
            return self.plans[stage.name]
        state = self._begin(stage)
        if state is None:
            return None
        for instruction in stage.instructions:
            handler = self._handlers.get(instruction.keyword)
            if handler is None:
                self.refuse(instruction)
            else:
                handler(instruction, state)
        plan = StagePlan(
            name=state.name,
            base=state.base,
            parent=state.parent,
            steps=tuple(state.steps),
            settings=state.settings,
        )
        self.plans[stage.name] = plan
        self._venvs[stage.name] = state.venvs
        return plan

    def refuse(self, instruction: Instruction, reason: str = NEEDS_ENGINE) -> None:
        """Note that an instruction cannot be honoured."""
        self.refusals.append(Refusal(line=instruction.line, text=instruction.text, reason=reason))

    def _begin(self, stage: Stage) -> _State | None:
        image = expand(stage.base, self._globals)
        earlier = self._stages.get(image.lower())
        if earlier is not None and self._precedes(earlier.name, stage.name):
            parent = self.require(earlier)
            if parent is None:
                return None
            return _State(
                name=stage.name,
                base=parent.base,
                parent=parent.name,
                settings=parent.settings,
                arguments={},
                venvs=list(self._venvs[parent.name]),
            )
        found = _base(image)
        if found is None:
            self.refuse(stage.origin, f"base image {image!r} {NEEDS_ENGINE}")
            return None
        base, settings = found
        return _State(name=stage.name, base=base, parent=None, settings=settings, arguments={})

    def _precedes(self, first: str, second: str) -> bool:
        return self._order.index(first) < self._order.index(second)

    def _arg(self, instruction: Instruction, state: _State) -> None:
        known = {**self._globals, **state.variables}
        named = _argument(instruction, known, self._build_args)
        for name, value in named.items():
            state.arguments[name] = value or self._globals.get(name, "")

    def _env(self, instruction: Instruction, state: _State) -> None:
        found = pairs(instruction, state.variables)
        state.change(environment={**state.settings.environment, **found})

    def _label(self, instruction: Instruction, state: _State) -> None:
        found = pairs(instruction, state.variables)
        state.change(labels={**state.settings.labels, **found})

    def _workdir(self, instruction: Instruction, state: _State) -> None:
        path = expand(instruction.value.strip("\"'"), state.variables)
        state.change(workdir=posixpath.normpath(posixpath.join(state.settings.workdir, path)))

    def _user(self, instruction: Instruction, state: _State) -> None:
        state.change(user=expand(instruction.value, state.variables))

    def _cmd(self, instruction: Instruction, state: _State) -> None:
        state.change(command=command(instruction))

    def _entry_point(self, instruction: Instruction, state: _State) -> None:
        # An entry point of the Dockerfile drops the command that the base image brought.
        state.change(entry_point=command(instruction), command=())

    def _expose(self, instruction: Instruction, state: _State) -> None:
        ports = [
            port if "/" in port else f"{port}/tcp" for port in words(instruction, state.variables)
        ]
        bad = [port for port in ports if not re.fullmatch(r"\d+/(tcp|udp)", port)]
        if bad:
            self.refuse(instruction, f"{bad[0]} is not a port")
            return
        merged = dict.fromkeys((*state.settings.exposed, *ports))
        state.change(exposed=tuple(merged))

    def _volume(self, instruction: Instruction, state: _State) -> None:
        found = tuple(words(instruction, state.variables))
        state.change(volumes=(*state.settings.volumes, *found))

    def _stop_signal(self, instruction: Instruction, state: _State) -> None:
        state.change(stop_signal=expand(instruction.value, state.variables))

    def _nothing(self, instruction: Instruction, state: _State) -> None:
        pass

    def _health_check(self, instruction: Instruction, state: _State) -> None:
        state.change(health_check=_health_check(instruction))

    def _run(self, instruction: Instruction, state: _State) -> None:
        scope = Scope(
            kind=state.base.kind,
            workdir=state.settings.workdir,
            environment=state.settings.environment,
            variables=state.variables,
            venvs=tuple(state.venvs),
        )
        steps, refusals = run_steps(instruction, scope)
        self.refusals += refusals
        state.steps += steps
        for step in steps:
            if isinstance(step, PipInstall | UvSync | MakeVenv) and step.venv not in state.venvs:
                state.venvs.append(step.venv)

    def _copy(self, instruction: Instruction, state: _State) -> None:
        *sources, destination = words(instruction, state.variables)
        if not sources:
            raise DockerfileError(instruction.line, f"{instruction.text}: no destination")
        source_stage = self._copied_stage(instruction, state)
        if source_stage is _REFUSED:
            return
        if instruction.keyword == "ADD" and any(_is_special_add(source) for source in sources):
            self.refuse(instruction, f"ADD of an archive or URL {NEEDS_ENGINE}")
            return
        mode = instruction.flags.get("chmod", "")
        target = posixpath.normpath(posixpath.join(state.settings.workdir, destination))
        state.steps.append(
            Copy(
                line=instruction.line,
                text=instruction.text,
                sources=tuple(sources),
                destination=target,
                into_folder=destination.endswith(("/", "/."))
                or destination == "."
                or len(sources) > 1,
                stage=source_stage,
                mode=int(mode, 8) if re.fullmatch(r"0?[0-7]{3}", mode) else None,
            )
        )

    def _copied_stage(self, instruction: Instruction, state: _State) -> str | None:
        """Return the stage of `--from` (planned by now), None for the context, or `_REFUSED`."""
        wanted = expand(instruction.flags.get("from", ""), state.variables)
        if not wanted:
            return None
        stage = self._stages.get(wanted.lower())
        if stage is None and wanted.isdigit() and int(wanted) < len(self._order):
            stage = self._stages[self._order[int(wanted)]]
        if stage is not None and self._precedes(stage.name, state.name):
            return stage.name if self.require(stage) else _REFUSED
        if "astral-sh/uv" in wanted:
            why = "the host's own uv installs the packages"
            state.steps.append(Note(line=instruction.line, text=instruction.text, why=why))
        else:
            self.refuse(instruction, f"--from={wanted} is no earlier stage: {NEEDS_ENGINE}")
        return _REFUSED


_REFUSED = "\0refused"


def _base(image: str) -> tuple[Base, ImageSettings] | None:
    name = image.partition("@")[0].rpartition("/")[2]
    name, _, tag = name.partition(":")
    found = _BASES.get(_BASES_ALIASES.get(name, name))
    if found is None:
        return None
    kind, settings = found
    pattern = r"(\d+\.\d+)" if kind == "python" else r"(\d+)"
    match = re.match(pattern, tag)
    return Base(kind=kind, image=image, version=match[1] if match else ""), settings


def _argument(
    instruction: Instruction, known: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    named: dict[str, str] = {}
    for part in shlex.split(instruction.value):
        name, _, default = part.partition("=")
        named[name] = given.get(name, expand(default, {**known, **named}))
    return named


def _is_special_add(source: str) -> bool:
    archive = source.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))
    return archive or "://" in source or source.startswith("git@")


def _health_check(instruction: Instruction) -> Mapping[str, object]:
    """Return the config's `Healthcheck`; times are nanoseconds, as Docker keeps them."""
    keyword, _, rest = instruction.value.partition(" ")
    if keyword.upper() == "NONE":
        return {"Test": ["NONE"]}
    inner = replace(instruction, value=rest.strip())
    if keyword.upper() != "CMD" or not inner.value:
        raise DockerfileError(instruction.line, "HEALTHCHECK needs CMD or NONE")
    listed = command(inner)
    is_shell = listed[:2] == ("/bin/sh", "-c") and not inner.value.startswith("[")
    check: dict[str, object] = {
        "Test": ["CMD-SHELL", inner.value] if is_shell else ["CMD", *listed]
    }
    names = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod"}
    for flag, key in names.items():
        if flag in instruction.flags:
            check[key] = _nanoseconds(instruction, instruction.flags[flag])
    if "retries" in instruction.flags:
        check["Retries"] = int(instruction.flags["retries"])
    return check


def _nanoseconds(instruction: Instruction, duration: str) -> int:
    units: Sequence[tuple[str, str]] = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", duration)
    if not units or "".join(f"{n}{u}" for n, u in units) != duration:
        raise DockerfileError(instruction.line, f"{duration!r} is no duration")
    scale = {"ms": 1e6, "s": 1e9, "m": 6e10, "h": 3.6e12}
    return int(sum(float(number) * scale[unit] for number, unit in units))
