"""The form that asks for a pipeline's runtime inputs; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fake_harness.pipeline.input_values import InputSpec, is_input, parse_input
from fake_harness.pipeline.inputs import input_template
from fake_harness.pipeline.yaml_source import dump_yaml, load_yaml

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunField:
    """One runtime input. `name` is the form's field, `label` what it is called."""

    name: str
    label: str
    place: str
    """Where it stands: `stages / dev / spec`."""
    default: str
    choices: tuple[str, ...]
    many: bool
    pattern: str
    value: str = ""


def run_fields(pipeline_yaml: str) -> tuple[RunField, ...]:
    """Return a field for each runtime input of a pipeline, templates expanded."""
    template = input_template(load_yaml(pipeline_yaml))
    if not template:
        return ()
    data = load_yaml(template).data
    return tuple(_field(path, text, _named(data, path)) for path, text in _leaves(data, ()))


def filled_inputs(pipeline_yaml: str, values: Mapping[str, str]) -> str:
    """Return the inputs as YAML; what was left empty stays open. Empty text without any."""
    template = input_template(load_yaml(pipeline_yaml))
    if not template:
        return ""
    return dump_yaml(_fill(load_yaml(template).data, (), values))


def _leaves(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    if is_input(value):
        yield path, str(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, (*path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))


def _fill(value: object, path: Path, values: Mapping[str, str]) -> object:
    if is_input(value):
        given = values.get(_name(path), "")
        return given if given != "" else value
    if isinstance(value, Mapping):
        return {key: _fill(item, (*path, str(key)), values) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, (*path, index), values) for index, item in enumerate(value)]
    return value


def _field(path: Path, text: str, words: tuple[str, ...]) -> RunField:
    try:
        spec = parse_input(text)
    except ValueError:
        spec = InputSpec(text=text)
    return RunField(
        name=_name(path),
        label=words[-1],
        place=" / ".join(words[:-1]),
        default=spec.default or "",
        choices=spec.one_of or spec.many_of,
        many=bool(spec.many_of),
        pattern=spec.regex or "",
    )


def _name(path: Path) -> str:
    return "input:" + "/".join(map(str, path))


def _named(data: object, path: Path) -> tuple[str, ...]:
    """Return the path in people's words: identifiers for list items, no wrappers."""
    words: list[str] = []
    value = data
    for part in path:
        if isinstance(value, list) and isinstance(part, int):
            value = value[part]
            inner = value
            if isinstance(value, Mapping) and len(value) == 1:
                inner = next(iter(value.values()))
            if isinstance(inner, Mapping) and (inner.get("identifier") or inner.get("name")):
                words.append(str(inner.get("identifier") or inner.get("name")))
            continue
        value = value[part] if isinstance(value, Mapping) and isinstance(part, str) else None
        if part not in {"pipeline", "stage", "step", "stepGroup", "parallel", "spec"}:
            words.append(str(part))
    if len(words) > 1 and words[-1] == "value":
        words.pop()
    return tuple(words) or ("input",)
