"""Read a pipeline document into its spec and report every fault of its shape.

Unknown keys, missing keys, bad identifiers and wrong placements are found here; what needs
the whole pipeline (references between nodes) is `lint.py`'s.
"""

from collections.abc import Mapping

from fake_harness.pipeline import schema_parts as parts
from fake_harness.pipeline.fields import (
    FLAG,
    TEXT,
    WHOLE,
    check_fields,
    choice,
    list_of,
    object_of,
    required,
    table,
)
from fake_harness.pipeline.harness_types import UNSUPPORTED_STAGES
from fake_harness.pipeline.plan import JsonObject
from fake_harness.pipeline.problems import Report, nearest
from fake_harness.pipeline.schema_failure import failure_strategies
from fake_harness.pipeline.schema_stages import check_stage_spec
from fake_harness.pipeline.schema_steps import StepReader
from fake_harness.pipeline.spec import (
    ParallelStages,
    PipelineSpec,
    StageItem,
    StageSpec,
    StepItem,
)
from fake_harness.pipeline.step_type import SUPPORTED_STAGES
from fake_harness.pipeline.step_types import GIT_BUILD
from fake_harness.pipeline.yaml_source import Document, join

_PIPELINE_KEYS = frozenset(
    {
        "allowStageExecutions",
        "fixedInputsOnRerun",
        "delegateSelectors",
        "description",
        "flowControl",
        "identifier",
        "name",
        "notificationRules",
        "orgIdentifier",
        "projectIdentifier",
        "properties",
        "stages",
        "tags",
        "timeout",
        "variables",
    }
)
_STAGE_KEYS = frozenset(
    {
        "identifier",
        "name",
        "type",
        "spec",
        "description",
        "tags",
        "when",
        "strategy",
        "failureStrategies",
        "variables",
        "delegateSelectors",
        "timeout",
        "runMode",
    }
)
_EXTRA_STAGE_KEYS = {"CI": {"pipelineVariables"}, "Deployment": {"skipInstances"}}
_CODEBASE = table(
    connectorRef=TEXT,
    repoName=TEXT,
    projectName=TEXT,
    build=required(GIT_BUILD),
    depth=WHOLE,
    sslVerify=FLAG,
    prCloneStrategy=choice("MergeCommit", "SourceBranch"),
    resources=object_of(limits=object_of(memory=TEXT, cpu=TEXT)),
    lfs=FLAG,
    debug=FLAG,
    fetchTags=FLAG,
    sparseCheckout=list_of(TEXT),
    submoduleStrategy=choice("true", "false", "recursive"),
    cloneDirectory=TEXT,
    preFetchCommand=TEXT,
    persistCredentials=FLAG,
    outputFilePathsContent=list_of(TEXT),
    runAsUser=WHOLE,
)


def read_pipeline(document: Document, report: Report) -> PipelineSpec:
    """Return the pipeline of `document`; faults go to `report`.

    Raises:
        YamlInvalidError: there is no `pipeline:` at all.
    """
    return _PipelineReader(document, report).read()


class _PipelineReader:
    def __init__(self, document: Document, report: Report) -> None:
        self._document = document
        self._report = report

    def read(self) -> PipelineSpec:
        raw = self._document.root("pipeline")
        report, path = self._report, "pipeline"
        if isinstance(self._document.data, Mapping):
            report.unknown_keys("", self._document.data, {"pipeline"})
        report.fqn = "pipeline"
        if "template" in raw:
            report.error("pipeline.template", "the pipeline's template is not expanded")
            return PipelineSpec(identifier="", name="")
        report.unknown_keys(path, raw, _PIPELINE_KEYS)
        self._warn(raw)
        return PipelineSpec(
            identifier=parts.identifier(raw, path, report, what="the pipeline"),
            name=parts.name(raw, path, report, what="the pipeline"),
            org_identifier=parts.text(raw.get("orgIdentifier")),
            project_identifier=parts.text(raw.get("projectIdentifier")),
            stages=self._stages(raw.get("stages")),
            variables=parts.variables(raw.get("variables"), "pipeline.variables", report),
            delegate_selectors=parts.selectors(
                raw.get("delegateSelectors"), "pipeline.delegateSelectors", report
            ),
            timeout=parts.timeout(raw, path, report),
            codebase=self._codebase(raw.get("properties")),
            tags=parts.tags(raw.get("tags"), "pipeline.tags", report),
        )

    def _warn(self, raw: JsonObject) -> None:
        if raw.get("notificationRules"):
            message = "notifications are not sent by the sandbox"
            self._report.warning("pipeline.notificationRules", message)
        flow = raw.get("flowControl")
        if isinstance(flow, Mapping) and flow.get("barriers"):
            self._report.error("pipeline.flowControl", "barriers are not supported by the sandbox")

    def _codebase(self, value: object) -> JsonObject | None:
        if value is None:
            return None
        path = "pipeline.properties"
        properties = parts.mapping(value, path, self._report, what="properties")
        self._report.unknown_keys(path, properties, {"ci"})
        ci = properties.get("ci")
        if not isinstance(ci, Mapping):
            return None
        self._report.unknown_keys(join(path, "ci"), ci, {"codebase"})
        codebase = ci.get("codebase")
        if not isinstance(codebase, Mapping):
            return None
        at = join(path, "ci.codebase")
        check_fields(codebase, _CODEBASE, at, self._report, what="the codebase")
        return codebase

    def _stages(self, value: object) -> tuple[StageItem, ...]:
        path = "pipeline.stages"
        if not isinstance(value, list) or not value:
            self._report.error(path, "a pipeline needs a list of `stages`")
            return ()
        items = [self._stage_item(raw, f"{path}[{i}]") for i, raw in enumerate(value)]
        found = tuple(item for item in items if item is not None)
        self._refuse_duplicates(found)
        return found

    def _refuse_duplicates(self, items: tuple[StageItem, ...]) -> None:
        first: dict[str, str] = {}
        for item in items:
            for stage in item.stages if isinstance(item, ParallelStages) else (item,):
                if stage.identifier in first:
                    where = first[stage.identifier]
                    message = f"identifier {stage.identifier!r} is used twice (first at {where})"
                    self._report.error(join(stage.path, "identifier"), message)
                elif stage.identifier:
                    first[stage.identifier] = stage.path

    def _stage_item(self, raw: object, path: str) -> StageItem | None:
        block = raw if isinstance(raw, Mapping) else {}
        if "insert" in block:
            self._report.error(join(path, "insert"), "`insert` is not supported by the sandbox")
            return None
        if "parallel" in block:
            at = join(path, "parallel")
            inner = block["parallel"]
            if not isinstance(inner, list) or not inner:
                self._report.error(at, "parallel must be a list of stages", source="schema")
                return None
            stages = [self._stage_item(item, f"{at}[{i}]") for i, item in enumerate(inner)]
            return ParallelStages(
                path=at, stages=tuple(s for s in stages if isinstance(s, StageSpec))
            )
        if not isinstance(block.get("stage"), Mapping):
            message = "expected `stage` or `parallel`"
            self._report.error(path, message, source="schema")
            return None
        self._report.unknown_keys(path, block, {"stage"})
        return self._stage(
            parts.mapping(block["stage"], path, self._report, what="stage"), join(path, "stage")
        )

    def _stage(self, raw: JsonObject, path: str) -> StageSpec | None:
        report = self._report
        fqn = f"pipeline.stages.{parts.text(raw.get('identifier'))}"
        report.fqn = fqn
        if "template" in raw:
            template = raw["template"]
            ref = template.get("templateRef") if isinstance(template, Mapping) else template
            report.error(join(path, "template"), f"template {ref!r} is not expanded")
            return None
        kind = parts.text(raw.get("type"))
        report.unknown_keys(path, raw, _STAGE_KEYS | _EXTRA_STAGE_KEYS.get(kind, set()))
        spec = self._spec(kind, raw, path)
        execution = spec.get("execution")
        block: JsonObject = execution if isinstance(execution, Mapping) else {}
        steps, rollback = self._execution(kind, block, path, fqn)
        stage = StageSpec(
            identifier=parts.identifier(raw, path, report, what="a stage"),
            name=parts.name(raw, path, report, what="a stage"),
            type=kind,
            path=path,
            fqn=fqn,
            params={key: value for key, value in spec.items() if key != "execution"},
            steps=steps,
            rollback_steps=rollback,
            when=parts.when(raw, path, report, status_key="pipelineStatus"),
            timeout=parts.timeout(raw, path, report),
            failure_strategies=failure_strategies(raw, path, report),
            strategy=parts.strategy(raw, path, report),
            variables=parts.variables(raw.get("variables"), join(path, "variables"), report),
            delegate_selectors=parts.selectors(
                raw.get("delegateSelectors"), join(path, "delegateSelectors"), report
            ),
            tags=parts.tags(raw.get("tags"), join(path, "tags"), report),
        )
        report.fqn = "pipeline"
        return stage

    def _spec(self, kind: str, raw: JsonObject, path: str) -> JsonObject:
        report = self._report
        run_mode = raw.get("runMode")
        if isinstance(run_mode, Mapping) and run_mode.get("type") == "Manual":
            report.error(join(path, "runMode"), "manual run mode is not supported by the sandbox")
        if kind == "Deployment" and "failureStrategies" not in raw:
            report.missing(path, "failureStrategies", "a Deployment stage")
        spec = raw.get("spec")
        block: JsonObject = spec if isinstance(spec, Mapping) else {}
        if not kind:
            report.missing(path, "type", "a stage")
        elif kind in UNSUPPORTED_STAGES:
            at = join(path, "type")
            report.error(at, f"stage type {kind} is not supported by the sandbox")
        elif kind not in SUPPORTED_STAGES:
            near = nearest(kind, SUPPORTED_STAGES)
            hint = f"Did you mean {near!r}?" if near else f"Known: {', '.join(SUPPORTED_STAGES)}."
            report.error(
                join(path, "type"), f"unknown stage type {kind!r}", source="schema", hint=hint
            )
        elif not isinstance(spec, Mapping):
            report.missing(path, "spec", f"a {kind} stage", source="semantic")
        else:
            check_stage_spec(kind, block, join(path, "spec"), report)
        return block

    def _execution(
        self, kind: str, block: JsonObject, path: str, fqn: str
    ) -> tuple[tuple[StepItem, ...], tuple[StepItem, ...]]:
        if kind not in SUPPORTED_STAGES or kind == "Pipeline" or not block:
            return (), ()
        at, own = join(path, "spec.execution"), join(fqn, "spec.execution")
        self._report.unknown_keys(at, block, {"steps", "rollbackSteps", "description"})
        if "steps" not in block:
            self._report.missing(at, "steps", "execution")
        if kind in {"CI", "Approval"} and block.get("rollbackSteps"):
            message = f"a {kind} stage has no rollback steps"
            self._report.error(join(at, "rollbackSteps"), message)
        reader = StepReader(self._report, kind)
        steps = reader.read(block.get("steps"), join(at, "steps"), join(own, "steps"))
        rollback = reader.read(
            block.get("rollbackSteps"), join(at, "rollbackSteps"), join(own, "rollbackSteps")
        )
        return steps, rollback
