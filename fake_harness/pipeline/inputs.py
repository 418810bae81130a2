"""Runtime inputs: what a pipeline asks for, and filling it in.

An input is text that starts with `<+input>`, possibly with validators after it. A merge
matches stages, steps and groups by identifier, variables by name; later overlays win.
Source: Harness docs, "Runtime inputs", "Input sets"; harness-core `InputSetMergeUtils`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from fake_harness.errors import YamlInvalidError
from fake_harness.pipeline.input_values import is_input, parse_input
from fake_harness.pipeline.problems import Report, nearest
from fake_harness.pipeline.yaml_source import Document, dump_yaml, join, load_yaml

_IDENTITY = ("identifier", "name")


def input_template(document: Document) -> str:
    """Return the YAML of what must be filled in; empty text when nothing must.

    Nodes keep their `identifier` (or `name`) and `type`, so that an input set finds them.
    """
    pruned = _prune(document.root("pipeline"))
    if pruned is None:
        return ""
    return dump_yaml({"pipeline": pruned})


def unfilled_inputs(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and text of each runtime input in `value`.

    An unfilled `condition` of a `when` is none: it counts as false.
    """
    if is_input(value):
        if not path.endswith(".when.condition"):
            yield path, str(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from unfilled_inputs(item, join(path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unfilled_inputs(item, f"{path}[{index}]")


def fill_defaults(value: object) -> object:
    """Return `value` with each input that has a default replaced by it."""
    if isinstance(value, str):
        return _default(value) if is_input(value) else value
    if isinstance(value, Mapping):
        return {key: fill_defaults(item) for key, item in value.items()}
    if isinstance(value, list):
        return [fill_defaults(item) for item in value]
    return value


def _default(written: str) -> object:
    try:
        default = parse_input(written).default
    except ValueError:
        return written
    if default is None:
        return written
    if re.fullmatch(r"-?(0|[1-9]\d*)", default):
        return int(default)
    return {"true": True, "false": False}.get(default, default)


def merge_inputs(pipeline_yaml: str, inputs: str | Sequence[str]) -> str:
    """Return the pipeline with its inputs filled; several documents: later ones win.

    Each document is `pipeline: …` or `inputSet: {pipeline: …}`; empty text fills nothing.
    Inputs that no document fills stay as they are.

    Raises:
        YamlInvalidError: a key that the pipeline does not have or that is no runtime input,
            or a value that a validator refuses; all of them at once.
    """
    texts = [inputs] if isinstance(inputs, str) else list(inputs)
    documents = [load_yaml(text) for text in texts if text.strip()]
    if not documents:
        return pipeline_yaml
    base = load_yaml(pipeline_yaml)
    given: object = {}
    for document in documents:
        given = overlay(given, _inputs_of(document))
    where = documents[0] if len(documents) == 1 else Document(data=None, text="")
    merged = _merge_checked(base.root("pipeline"), given, where, "pipeline")
    return dump_yaml({"pipeline": merged})


def merge_tree(base: object, given: object, *, path: str = "") -> object:
    """Return the tree `base` (a service, an environment) with its inputs filled from `given`.

    Raises:
        YamlInvalidError: as `merge_inputs`.
    """
    return _merge_checked(base, given, Document(data=None, text=""), path)


def _merge_checked(base: object, given: object, where: Document, path: str) -> object:
    report = Report(where)
    merged = _Merge(report).value(base, given, path)
    if report.problems:
        raise YamlInvalidError(tuple(report.problems))
    return merged


def _inputs_of(document: Document) -> object:
    data = document.data if isinstance(document.data, Mapping) else {}
    holder = data.get("inputSet", data)
    pipeline = holder.get("pipeline") if isinstance(holder, Mapping) else None
    if pipeline is None and isinstance(holder, Mapping) and "pipeline" in holder:
        return {}
    if not isinstance(pipeline, Mapping):
        document.root("pipeline")
    return pipeline


def overlay(lower: object, upper: object) -> object:
    """Return two input trees as one; where both speak, `upper` wins."""
    if isinstance(lower, Mapping) and isinstance(upper, Mapping):
        merged = dict(lower)
        for key, value in upper.items():
            merged[key] = overlay(lower[key], value) if key in lower else value
        return merged
    if isinstance(lower, list) and isinstance(upper, list) and _identified(lower + upper):
        return _overlay_lists(lower, upper)
    return lower if upper is None else upper


def _overlay_lists(lower: list[object], upper: list[object]) -> list[object]:
    merged = list(lower)
    for item in upper:
        at = next((i for i, other in enumerate(merged) if _same(other, item)), None)
        if at is None:
            merged.append(item)
        else:
            merged[at] = overlay(merged[at], item)
    return merged


def _prune(value: object) -> object | None:
    """Return the part of `value` that leads to inputs, None when there is none."""
    if is_input(value):
        return value
    if isinstance(value, Mapping):
        return _prune_mapping(value)
    if isinstance(value, list):
        kept = [_prune(item) for item in value]
        if all(item is None for item in kept):
            return None
        # Items that nothing identifies are matched by position: the list stays whole.
        return [item for item in kept if item is not None] if _identified(value) else value
    return None


def _prune_mapping(value: Mapping[str, object]) -> object | None:
    kept = {key: _prune(item) for key, item in value.items()}
    if all(item is None for item in kept.values()):
        return None
    identity = next((key for key in _IDENTITY if _is_word(value.get(key))), "")
    return {
        key: value[key] if kept[key] is None else kept[key]
        for key in value
        if kept[key] is not None or key == identity or (key == "type" and _is_word(value[key]))
    }


def _is_word(value: object) -> bool:
    return isinstance(value, str | int) and not is_input(value)


def _keys(item: object) -> frozenset[str]:
    """Return what identifies a list's item; a parallel block has the keys of its members."""
    if not isinstance(item, Mapping):
        return frozenset()
    for key in _IDENTITY:
        if _is_word(item.get(key)):
            return frozenset({f"{key}:{item[key]}"})
    if len(item) == 1:
        (wrapper, inner) = next(iter(item.items()))
        if wrapper == "parallel" and isinstance(inner, list):
            return frozenset(f"parallel/{key}" for member in inner for key in _keys(member))
        return frozenset(f"{wrapper}/{key}" for key in _keys(inner))
    return frozenset()


def _identified(items: Sequence[object]) -> bool:
    return all(_keys(item) for item in items)


def _same(one: object, other: object) -> bool:
    return bool(_keys(one) & _keys(other))


class _Merge:
    """One merge; faults go to the report."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def value(self, base: object, given: object, path: str) -> object:
        if given is None:
            return base
        if is_input(base):
            return self._fill(str(base), given, path)
        if isinstance(base, Mapping) and isinstance(given, Mapping):
            return self._mapping(base, given, path)
        if isinstance(base, list) and isinstance(given, list):
            return self._list(base, given, path)
        if base != given and str(base) != str(given):
            message = "this is not a runtime input of the pipeline"
            hint = "Make it `<+input>` in the pipeline, or leave it out here."
            self._report.error(path, message, hint=hint)
        return base

    def _fill(self, base: str, given: object, path: str) -> object:
        try:
            spec = parse_input(base)
        except ValueError as error:
            self._report.error(path, str(error))
            return base
        if given == base or is_input(given):
            return base
        fault = "" if isinstance(given, Mapping) else spec.fault(given)
        if fault:
            self._report.error(path, fault)
        return given

    def _mapping(
        self, base: Mapping[str, object], given: Mapping[str, object], path: str
    ) -> dict[str, object]:
        merged = dict(base)
        for key, item in given.items():
            at = join(path, key)
            if key in base:
                merged[key] = self.value(base[key], item, at)
            else:
                near = nearest(key, base)
                hint = f"Did you mean `{near}`?" if near else ""
                self._report.error(at, f"the pipeline has no `{key}` here", hint=hint)
        return merged

    def _list(self, base: list[object], given: list[object], path: str) -> list[object]:
        if not (_identified(base) and _identified(given)):
            return self._by_position(base, given, path)
        merged = list(base)
        for index, item in enumerate(given):
            at = f"{path}[{index}]"
            found = next((i for i, other in enumerate(base) if _same(other, item)), None)
            if found is None:
                name = ", ".join(sorted(_keys(item)))
                self._report.error(at, f"the pipeline has no {name.replace('/', ' ')} here")
            else:
                merged[found] = self.value(merged[found], item, at)
        return merged

    def _by_position(self, base: list[object], given: list[object], path: str) -> list[object]:
        if len(base) != len(given):
            message = f"the pipeline has {len(base)} items here, the inputs have {len(given)}"
            self._report.error(path, message)
            return base
        return [
            self.value(one, other, f"{path}[{index}]")
            for index, (one, other) in enumerate(zip(base, given, strict=True))
        ]
