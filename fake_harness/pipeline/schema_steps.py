"""Read `steps` and `rollbackSteps`: steps, step groups and parallel blocks, all checked."""

from collections.abc import Mapping

from fake_harness.pipeline import schema_parts as parts
from fake_harness.pipeline.fields import check_fields
from fake_harness.pipeline.harness_types import UNSUPPORTED_STEPS
from fake_harness.pipeline.plan import JsonObject
from fake_harness.pipeline.problems import Report, nearest
from fake_harness.pipeline.schema_failure import failure_strategies
from fake_harness.pipeline.spec import ParallelSteps, StepGroupSpec, StepItem, StepSpec
from fake_harness.pipeline.step_type import StepType
from fake_harness.pipeline.step_types import STEP_TYPES
from fake_harness.pipeline.yaml_source import join

_STEP_KEYS = frozenset(
    {
        "identifier",
        "name",
        "type",
        "spec",
        "timeout",
        "description",
        "when",
        "strategy",
        "failureStrategies",
        "enforce",
    }
)
_GROUP_KEYS = frozenset(
    {
        "identifier",
        "name",
        "steps",
        "rollbackSteps",
        "timeout",
        "description",
        "when",
        "strategy",
        "failureStrategies",
        "delegateSelectors",
        "variables",
        "stepGroupInfra",
        "sharedPaths",
        "platform",
    }
)
_WRAPPERS = ("step", "stepGroup", "parallel", "insert")


class StepReader:
    """Reads the steps of one stage of type `stage_type`."""

    def __init__(self, report: Report, stage_type: str) -> None:
        self._report = report
        self._stage_type = stage_type

    def read(self, value: object, path: str, fqn: str) -> tuple[StepItem, ...]:
        """Return the items of a `steps` list; `fqn` is that of the list itself."""
        if value is None:
            return ()
        if not isinstance(value, list):
            self._report.error(path, "steps must be a list", source="schema")
            return ()
        found = [self._item(raw, f"{path}[{i}]", fqn) for i, raw in enumerate(value)]
        items = tuple(item for item in found if item is not None)
        self._refuse_duplicates(items, {})
        return items

    def _refuse_duplicates(self, items: tuple[StepItem, ...], first: dict[str, str]) -> None:
        for item in items:
            if isinstance(item, ParallelSteps):
                self._refuse_duplicates(item.items, first)
            elif item.fqn in first:
                message = (
                    f"identifier {item.identifier!r} is used twice (first at {first[item.fqn]})"
                )
                self._report.error(join(item.path, "identifier"), message)
            elif item.identifier:
                first[item.fqn] = item.path

    def _item(self, raw: object, path: str, fqn: str) -> StepItem | None:
        block = raw if isinstance(raw, Mapping) else {}
        kinds = [key for key in _WRAPPERS if key in block]
        if len(kinds) != 1:
            message = "expected one of `step`, `stepGroup` and `parallel`"
            self._report.error(path, message, source="schema")
            return None
        self._report.unknown_keys(path, block, _WRAPPERS)
        kind, at = kinds[0], join(path, kinds[0])
        if kind == "insert":
            self._report.error(at, "`insert` is not supported by the sandbox")
            return None
        if kind == "parallel":
            return self._parallel(block[kind], at, fqn)
        node = parts.mapping(block[kind], at, self._report, what=kind)
        if "template" in node:
            self._unexpanded(node, at)
            return None
        return self._step(node, at, fqn) if kind == "step" else self._group(node, at, fqn)

    def _unexpanded(self, node: JsonObject, path: str) -> None:
        template = node.get("template")
        name = template.get("templateRef") if isinstance(template, Mapping) else template
        self._report.error(
            join(path, "template"),
            f"template {name!r} is not expanded",
            hint="Templates are expanded where they are stored: import it into the project.",
        )

    def _parallel(self, value: object, path: str, fqn: str) -> ParallelSteps:
        items = value if isinstance(value, list) else []
        if not items:
            self._report.error(path, "parallel must be a list of steps", source="schema")
        found = [self._item(raw, f"{path}[{i}]", fqn) for i, raw in enumerate(items)]
        return ParallelSteps(path=path, items=tuple(item for item in found if item is not None))

    def _group(self, raw: JsonObject, path: str, fqn: str) -> StepGroupSpec:
        report = self._report
        outer, own = report.fqn, join(fqn, parts.text(raw.get("identifier")))
        report.fqn = own
        report.unknown_keys(path, raw, _GROUP_KEYS)
        if raw.get("stepGroupInfra") is not None:
            message = "the steps run on the delegate's host, not in this infrastructure"
            report.warning(join(path, "stepGroupInfra"), message)
        if not raw.get("steps"):
            report.missing(path, "steps", "a step group", source="semantic")
        group = StepGroupSpec(
            identifier=parts.identifier(raw, path, report, what="a step group"),
            name=parts.name(raw, path, report, what="a step group"),
            path=path,
            fqn=own,
            when=parts.when(raw, path, report, status_key="stageStatus"),
            timeout=parts.timeout(raw, path, report),
            failure_strategies=failure_strategies(raw, path, report),
            strategy=parts.strategy(raw, path, report),
            variables=parts.variables(raw.get("variables"), join(path, "variables"), report),
            delegate_selectors=parts.selectors(
                raw.get("delegateSelectors"), join(path, "delegateSelectors"), report
            ),
            steps=self.read(raw.get("steps"), join(path, "steps"), join(own, "steps")),
            rollback_steps=self.read(
                raw.get("rollbackSteps"), join(path, "rollbackSteps"), join(own, "rollbackSteps")
            ),
        )
        report.fqn = outer
        return group

    def _step(self, raw: JsonObject, path: str, fqn: str) -> StepSpec:
        report = self._report
        outer, own = report.fqn, join(fqn, parts.text(raw.get("identifier")))
        report.fqn = own
        report.unknown_keys(path, raw, _STEP_KEYS)
        if raw.get("enforce") is not None:
            report.warning(join(path, "enforce"), "policy sets are not evaluated by the sandbox")
        kind = parts.text(raw.get("type"))
        spec = raw.get("spec")
        params = spec if isinstance(spec, Mapping) else {}
        self._check_type(kind, spec, path)
        step = StepSpec(
            identifier=parts.identifier(raw, path, report, what="a step"),
            name=parts.name(raw, path, report, what="a step"),
            type=kind,
            params=params,
            path=path,
            fqn=own,
            when=parts.when(raw, path, report, status_key="stageStatus"),
            timeout=parts.timeout(raw, path, report),
            failure_strategies=failure_strategies(raw, path, report),
            strategy=parts.strategy(raw, path, report),
            delegate_selectors=parts.selectors(
                params.get("delegateSelectors"), join(path, "spec.delegateSelectors"), report
            ),
        )
        report.fqn = outer
        return step

    def _check_type(self, kind: str, spec: object, path: str) -> None:
        if not kind:
            self._report.missing(path, "type", "a step")
            return
        known = STEP_TYPES.get(kind)
        if known is None:
            self._refuse_type(kind, join(path, "type"))
            return
        if self._stage_type not in known.stages:
            places = ", ".join(sorted(known.stages))
            self._report.error(
                join(path, "type"),
                f"a {kind} step is not allowed in a {self._stage_type} stage",
                source="schema",
                hint=f"It belongs in: {places}.",
            )
        self._check_spec(known, spec, path)

    def _refuse_type(self, kind: str, path: str) -> None:
        if kind in UNSUPPORTED_STEPS:
            message = f"step type {kind} is not supported by the sandbox"
            self._report.error(path, message, hint="Supported types: see docs/steps.md.")
            return
        near = nearest(kind, STEP_TYPES)
        hint = f"Did you mean {near!r}?" if near else "Supported types: see docs/steps.md."
        self._report.error(path, f"unknown step type {kind!r}", source="schema", hint=hint)

    def _check_spec(self, known: StepType, spec: object, path: str) -> None:
        at = join(path, "spec")
        if spec is None:
            if known.needs_spec:
                self._report.missing(path, "spec", f"a {known.type} step")
            return
        block = parts.mapping(spec, at, self._report, what="spec")
        check_fields(block, known.fields, at, self._report, what=f"a {known.type} step")
