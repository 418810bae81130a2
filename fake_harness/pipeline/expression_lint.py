"""Check the expressions of a pipeline without resolving them.

Finds what does not read as an expression, and paths that name a stage, step, group or
variable which the pipeline does not have. Names that only a run can tell are left alone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass

from fake_harness.pipeline.expressions import ExpressionError
from fake_harness.pipeline.input_values import is_input
from fake_harness.pipeline.jexl.ast import Call, Index, Member, Name, Node, Ref, Text
from fake_harness.pipeline.jexl.parser import parse, reads
from fake_harness.pipeline.jexl.scan import split
from fake_harness.pipeline.problems import Report, nearest
from fake_harness.pipeline.spec import PipelineSpec, StageSpec, walk_steps
from fake_harness.pipeline.yaml_source import Document, join

_LOOP_SUFFIX = re.compile(r"(_\d+)+$")
_IMPLICIT_STEPS = frozenset({"harness-git-clone", "clone"})
_CONDITIONS = frozenset({"condition", "assertion", "jexlCondition"})


def check_expressions(
    spec: PipelineSpec, document: Document, report: Report, *, secrets: frozenset[str] | None
) -> None:
    """Report each expression of the document that cannot be right."""
    names = _names(spec)
    paths = {stage.path: stage for stage in spec.all_stages()}
    for path, text in _texts(document.data, ""):
        stage = next((s for at, s in paths.items() if path.startswith(at + ".")), None)
        if stage is not None and path.startswith(f"{stage.path}.spec.outputs["):
            # The outputs of a Pipeline stage speak of the child pipeline's nodes.
            continue
        _check_text(text, path, _Place(names, stage, secrets, report))


@dataclass(frozen=True, slots=True)
class _Names:
    """What a pipeline's expressions may name."""

    stages: Mapping[str, StageSpec]
    steps: Mapping[str, frozenset[str]]
    """Step and group identifiers by stage identifier."""
    looped: frozenset[str]
    """Identifiers that a looping strategy gives a suffix to."""
    variables: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Place:
    names: _Names
    stage: StageSpec | None
    secrets: frozenset[str] | None
    report: Report


def _names(spec: PipelineSpec) -> _Names:
    steps: dict[str, frozenset[str]] = {}
    looped: set[str] = set()
    for stage in spec.all_stages():
        nodes = list(walk_steps((*stage.steps, *stage.rollback_steps)))
        steps[stage.identifier] = frozenset(node.identifier for node in nodes) | _IMPLICIT_STEPS
        looped |= {node.identifier for node in (stage, *nodes) if node.strategy is not None}
        if {"services", "environments"} & set(stage.params):
            looped.add(stage.identifier)
    return _Names(
        stages={stage.identifier: stage for stage in spec.all_stages()},
        steps=steps,
        looped=frozenset(looped),
        variables=frozenset(variable.name for variable in spec.variables),
    )


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if "<+" in value and not is_input(value):
            yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, join(path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")


def _check_text(text: str, path: str, place: _Place) -> None:
    if path.rsplit(".", 1)[-1] in _CONDITIONS:
        _check_source(text, path, place)
        return
    for piece in split(text, reads):
        if piece.is_expression:
            _check_source(piece.text, path, place)


def _check_source(source: str, path: str, place: _Place) -> None:
    try:
        tree = parse(source)
    except ExpressionError as error:
        place.report.error(path, error.message)
        return
    except RecursionError:
        place.report.error(path, "the expression is nested too deeply")
        return
    for node in _paths(tree):
        keys = _keys(node)
        if keys:
            _check_path(keys, path, place)
    for text in _strings(tree):
        _check_text(text, path, place)
    for call in _walk(tree):
        if isinstance(call, Call):
            _check_secret(call, path, place)


def _walk(node: object) -> Iterator[object]:
    if isinstance(node, tuple):
        for item in node:
            yield from _walk(item)
    elif is_dataclass(node):
        yield node
        for part in fields(node):
            yield from _walk(getattr(node, part.name))


def _strings(tree: Node) -> Iterator[str]:
    for node in _walk(tree):
        if isinstance(node, Text) and "<+" in node.value:
            yield node.value


def _paths(tree: Node) -> Iterator[Node]:
    """Yield the outermost path expressions of `tree`."""
    inner: set[int] = set()
    for node in _walk(tree):
        if isinstance(node, Ref | Member | Index):
            if isinstance(node, Member | Index):
                inner.add(id(node.target))
            if id(node) not in inner:
                yield node


def _keys(node: Node) -> list[str]:
    """Return the leading keys of a path that are known without evaluating."""
    keys: list[str] = []
    chain: list[Node] = [node]
    while isinstance(chain[-1], Member | Index):
        chain.append(chain[-1].target)
    for part in reversed(chain):
        key = _key(part)
        if key is None:
            break
        keys.append(key)
    return keys


def _key(node: Node) -> str | None:
    if isinstance(node, Ref | Member):
        return _plain(node.name)
    if isinstance(node, Index) and isinstance(node.key, Text) and "<+" not in node.key.value:
        return node.key.value
    return None


def _plain(name: Name) -> str | None:
    first = name.parts[0]
    return first if len(name.parts) == 1 and isinstance(first, str) else None


def _check_path(keys: list[str], path: str, place: _Place) -> None:
    names, stage = place.names, place.stage
    if keys[:2] == ["pipeline", "stages"] and len(keys) > 2:
        _expect(keys[2], "stage", names.stages, path, place)
        stage = names.stages.get(_LOOP_SUFFIX.sub("", keys[2]))
        keys = keys[3:]
        if keys[:2] == ["spec", "execution"]:
            keys = keys[1:]
    elif keys[:2] == ["pipeline", "variables"] and len(keys) > 2:
        _expect(keys[2], "pipeline variable", names.variables, path, place)
        return
    if stage is None:
        return
    if keys[:1] == ["execution"]:
        keys = keys[1:]
    if keys[:1] in (["steps"], ["rollbackSteps"]) and len(keys) > 1:
        known = names.steps.get(stage.identifier, frozenset())
        for index in range(0, len(keys) - 1, 2):
            if keys[index] not in {"steps", "rollbackSteps"}:
                break
            what = f"step of stage {stage.identifier!r}:"
            _expect(keys[index + 1], what, known, path, place)


def _expect(
    key: str,
    what: str,
    known: Mapping[str, object] | frozenset[str],
    path: str,
    place: _Place,
) -> None:
    if key in known or _LOOP_SUFFIX.sub("", key) in known:
        return
    if any(key.startswith(f"{looped}_") for looped in place.names.looped):
        return
    near = nearest(key, known)
    hint = f"Did you mean {near!r}?" if near else f"Known: {', '.join(sorted(known)) or 'none'}."
    place.report.error(
        path, f"an expression names the {what} {key!r}, which is not there", hint=hint
    )


def _check_secret(call: Call, path: str, place: _Place) -> None:
    if place.secrets is None or call.method != "getValue" or len(call.args) != 1:
        return
    target, argument = call.target, call.args[0]
    if not (isinstance(target, Ref) and _plain(target.name) == "secrets"):
        return
    if isinstance(argument, Text) and "<+" not in argument.value:
        reference = argument.value
        if reference not in place.secrets:
            near = nearest(reference, place.secrets)
            hint = f"Did you mean {near!r}?" if near else "Create it, or mend the reference."
            place.report.error(path, f"there is no secret {reference!r}", hint=hint)
