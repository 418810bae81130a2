"""Expand `template:` references of a pipeline; where templates live is the caller's affair.

A template's spec takes the place of the reference, its inputs filled; what the referring
node says itself (identifier, name, when) wins. Source: Harness docs, "Templates overview".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fake_harness.errors import SchemaProblem, YamlInvalidError
from fake_harness.pipeline.inputs import merge_tree
from fake_harness.pipeline.problems import Report
from fake_harness.pipeline.yaml_source import Document, dump_yaml, join, load_yaml

_TYPES = {"pipeline": "Pipeline", "stage": "Stage", "step": "Step", "stepGroup": "StepGroup"}
_REFERENCE_KEYS = frozenset({"templateRef", "versionLabel", "templateInputs", "gitBranch"})
_MAX_DEPTH = 10
_MAX_COUNT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRef:
    """A reference: `account.x`, `org.x` or `x`; an empty version means the stable one."""

    ref: str
    version: str
    type: str
    """Pipeline | Stage | Step | StepGroup."""


TemplateLookup = Callable[[TemplateRef], str | None]
"""Returns the template's YAML (`template: {...}`), None when there is none."""


def expand_templates(pipeline_yaml: str, lookup: TemplateLookup) -> str:
    """Return the pipeline with every template in its place.

    Raises:
        YamlInvalidError: a template that does not exist, has the wrong type, refers to
            itself, or is given inputs that it does not ask for.
    """
    document = load_yaml(pipeline_yaml)
    report = Report(document)
    expander = _Expander(lookup, report)
    data = expander.walk(document.data, "", 0)
    if report.problems:
        raise YamlInvalidError(tuple(report.problems))
    return dump_yaml(data) if expander.expanded else pipeline_yaml


class _Expander:
    """One expansion; faults go to the report."""

    def __init__(self, lookup: TemplateLookup, report: Report) -> None:
        self._lookup = lookup
        self._report = report
        self._count = 0

    @property
    def expanded(self) -> bool:
        """True when at least one reference was found."""
        return self._count > 0

    def walk(self, value: object, path: str, depth: int) -> object:
        if isinstance(value, Mapping):
            return {
                key: self._node(key, item, join(path, str(key)), depth)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.walk(item, f"{path}[{i}]", depth) for i, item in enumerate(value)]
        return value

    def _node(self, key: str, value: object, path: str, depth: int) -> object:
        if key in _TYPES and isinstance(value, Mapping) and "template" in value:
            return self._replace(_TYPES[key], value, path, depth)
        return self.walk(value, path, depth)

    def _replace(self, kind: str, node: Mapping[str, object], path: str, depth: int) -> object:
        at = join(path, "template")
        link = node["template"]
        if not isinstance(link, Mapping) or not link.get("templateRef"):
            self._report.error(at, "a template reference needs `templateRef`", source="schema")
            return node
        self._report.unknown_keys(at, link, _REFERENCE_KEYS)
        self._count += 1
        if depth >= _MAX_DEPTH or self._count > _MAX_COUNT:
            self._report.error(at, "templates nest too deeply; is it a circle?")
            return node
        reference = TemplateRef(
            ref=str(link["templateRef"]), version=str(link.get("versionLabel") or ""), type=kind
        )
        spec = self._spec(reference, link, at)
        if spec is None:
            return node
        own = {key: value for key, value in node.items() if key != "template"}
        merged = {**own, **spec, **own}
        if "template" in merged:
            return self._replace(kind, merged, path, depth + 1)
        return self.walk(merged, path, depth + 1)

    def _spec(
        self, reference: TemplateRef, link: Mapping[str, object], path: str
    ) -> Mapping[str, object] | None:
        text = self._lookup(reference)
        version = f" version {reference.version!r}" if reference.version else ""
        if text is None:
            self._report.error(path, f"there is no template {reference.ref!r}{version}")
            return None
        try:
            template = load_yaml(text).root("template")
            spec = template.get("spec")
            if template.get("type") != reference.type or not isinstance(spec, Mapping):
                found = template.get("type")
                message = f"template {reference.ref!r} is of type {found}, not {reference.type}"
                self._report.error(join(path, "templateRef"), message)
                return None
            inputs = link.get("templateInputs") or {}
            merged = merge_tree(spec, inputs, path=join(path, "templateInputs"))
        except YamlInvalidError as error:
            self._add(error.problems)
            return None
        return merged if isinstance(merged, Mapping) else None

    def _add(self, problems: tuple[SchemaProblem, ...]) -> None:
        for problem in problems:
            self._report.error(problem.yaml_path, problem.message, hint=problem.hint)


def template_references(document: Document) -> list[TemplateRef]:
    """Return the references of a document, without looking inside the templates."""
    found: list[TemplateRef] = []

    def remember(reference: TemplateRef) -> None:
        found.append(reference)

    _Expander(remember, Report(document)).walk(document.data, "", 0)
    return found
