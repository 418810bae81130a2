"""Read trigger YAML and tell whether a webhook event fires it; verifying is the API's.

Source: Harness docs, "Trigger pipelines using Git events", "Custom webhook triggers";
harness-core `ConditionEvaluator` (operators) and `TriggerHelper` (`<+trigger.*>`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fake_harness.errors import YamlInvalidError
from fake_harness.pipeline import schema_parts as parts
from fake_harness.pipeline.expressions import (
    ExpressionError,
    MappingScope,
    as_raw,
    evaluate_condition,
    render,
    to_text,
)
from fake_harness.pipeline.plan import JsonObject
from fake_harness.pipeline.problems import Report
from fake_harness.pipeline.trigger_conditions import OPERATORS, Condition, holds, holds_for_files
from fake_harness.pipeline.webhooks import GitEvent, WebhookEvent, read_github
from fake_harness.pipeline.yaml_source import Document, load_yaml

SOURCE_TYPES = (
    "Webhook",
    "Artifact",
    "Manifest",
    "Scheduled",
    "MultiRegionArtifact",
    "SystemEvent",
)
_SPECIAL_KEYS = frozenset({"sourceBranch", "targetBranch", "changedFiles"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSpec:
    """A trigger as it was written."""

    identifier: str
    name: str
    org_identifier: str
    project_identifier: str
    pipeline_identifier: str
    enabled: bool = True
    source_type: str = "Webhook"
    provider: str = ""
    """Github | Custom | …, of a Webhook source."""
    event: str = ""
    """Push | PullRequest | …, of a Git provider."""
    actions: tuple[str, ...] = ()
    connector_ref: str = ""
    repo_name: str = ""
    auto_abort: bool = False
    header_conditions: tuple[Condition, ...] = ()
    payload_conditions: tuple[Condition, ...] = ()
    jexl_condition: str = ""
    secret_identifier: str = ""
    input_set_refs: tuple[str, ...] = ()
    input_yaml: str = ""
    stages_to_execute: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerMatch:
    """An event that fires a trigger; plain JSON, to be stored with the execution.

    Put `as_raw(context)` into a scope: a payload must never be taken for expressions.
    """

    context: JsonObject
    """The root `trigger`; its `payload` is the root `eventPayload` too."""
    codebase: JsonObject
    """The root `codebase`; empty for a custom webhook."""
    trigger_type: str
    """WEBHOOK | WEBHOOK_CUSTOM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerMiss:
    """Why an event does not fire a trigger."""

    reason: str


def parse_trigger(text: str) -> TriggerSpec:
    """Read a trigger of any source type.

    Raises:
        YamlInvalidError: keys are missing or an operator is unknown; carries every problem.
    """
    document = load_yaml(text)
    report = Report(document)
    spec = _read(document, report)
    errors = [problem for problem in report.problems if problem.severity == "ERROR"]
    if errors:
        raise YamlInvalidError(tuple(errors))
    return spec


def _read(document: Document, report: Report) -> TriggerSpec:
    raw = document.root("trigger")
    source = parts.mapping(raw.get("source"), "trigger.source", report, what="source")
    kind = parts.text(source.get("type"))
    if kind not in SOURCE_TYPES:
        report.error("trigger.source.type", f"{kind!r} is not {' or '.join(SOURCE_TYPES)}")
    if not raw.get("pipelineIdentifier"):
        report.missing("trigger", "pipelineIdentifier", "a trigger")
    outer = _mapping(source.get("spec"))
    git = _mapping(outer.get("spec"))
    event = _mapping(git.get("spec"))
    custom = outer.get("type") == "Custom"
    body = git if custom else event
    path = "trigger.source.spec.spec" + ("" if custom else ".spec")
    if kind == "Webhook" and not outer.get("type"):
        report.missing("trigger.source.spec", "type", "a webhook source")
    return TriggerSpec(
        identifier=parts.identifier(raw, "trigger", report, what="a trigger"),
        name=parts.text(raw.get("name") or raw.get("identifier")),
        org_identifier=parts.text(raw.get("orgIdentifier")),
        project_identifier=parts.text(raw.get("projectIdentifier")),
        pipeline_identifier=parts.text(raw.get("pipelineIdentifier")),
        enabled=raw.get("enabled") is not False,
        source_type=kind,
        provider=parts.text(outer.get("type")),
        event="" if custom else parts.text(git.get("type")),
        actions=_words(event.get("actions")),
        connector_ref=parts.text(event.get("connectorRef")),
        repo_name=parts.text(event.get("repoName")),
        auto_abort=event.get("autoAbortPreviousExecutions") is True,
        header_conditions=_conditions(body, "headerConditions", path, report),
        payload_conditions=_conditions(body, "payloadConditions", path, report),
        jexl_condition=parts.text(body.get("jexlCondition")),
        secret_identifier=parts.text(raw.get("encryptedWebhookSecretIdentifier")),
        input_set_refs=_words(raw.get("inputSetRefs")),
        input_yaml=parts.text(raw.get("inputYaml")),
        stages_to_execute=_words(raw.get("stagesToExecute")),
        tags=parts.tags(raw.get("tags"), "trigger.tags", report),
    )


def _mapping(value: object) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _words(value: object) -> tuple[str, ...]:
    return tuple(parts.text(item) for item in value) if isinstance(value, list) else ()


def _conditions(body: JsonObject, key: str, path: str, report: Report) -> tuple[Condition, ...]:
    found = []
    listed = body.get(key)
    for index, raw in enumerate(listed if isinstance(listed, list) else []):
        at = f"{path}.{key}[{index}]"
        block = parts.mapping(raw, at, report, what="a condition")
        condition = Condition(
            key=parts.text(block.get("key")),
            operator=parts.text(block.get("operator")),
            value=parts.text(block.get("value")),
        )
        if not condition.key:
            report.missing(at, "key", "a condition")
        if condition.operator not in OPERATORS:
            known = " or ".join(OPERATORS)
            report.error(f"{at}.operator", f"{condition.operator!r} is not {known}")
        found.append(condition)
    return tuple(found)


def match_webhook(
    trigger: TriggerSpec, event: WebhookEvent, *, connector_url: str = ""
) -> TriggerMatch | TriggerMiss:
    """Tell whether `event` fires `trigger`.

    Args:
        trigger: what `parse_trigger` returned.
        event: the request.
        connector_url: the repository URL of the trigger's connector, where the trigger
            names no `repoName`.
    """
    if not trigger.enabled:
        return TriggerMiss(reason="the trigger is disabled")
    if trigger.source_type != "Webhook":
        return TriggerMiss(reason=f"a {trigger.source_type} trigger takes no webhooks")
    if trigger.provider == "Custom":
        context: JsonObject = {"type": "Custom", **event.context()}
        missed = _missed(trigger, context, None)
        return missed or TriggerMatch(context=context, codebase={}, trigger_type="WEBHOOK_CUSTOM")
    if trigger.provider != "Github":
        return TriggerMiss(reason=f"{trigger.provider} webhooks are not supported by the sandbox")
    git = read_github(event)
    if isinstance(git, str):
        return TriggerMiss(reason=git)
    context = {**git.trigger, **event.context()}
    missed = _wrong_event(trigger, git, connector_url) or _missed(trigger, context, git)
    return missed or TriggerMatch(context=context, codebase=git.codebase, trigger_type="WEBHOOK")


def _wrong_event(trigger: TriggerSpec, git: GitEvent, connector_url: str) -> TriggerMiss | None:
    if trigger.event != git.kind:
        return TriggerMiss(reason=f"the event is {git.kind}, the trigger wants {trigger.event}")
    wanted = trigger.repo_name or connector_url
    if wanted and not git.is_of(wanted):
        return TriggerMiss(reason=f"the repository is {git.repository}, not {wanted}")
    if trigger.event != "PullRequest":
        return None
    fits = git.action in trigger.actions if trigger.actions else git.action != "ReadyForReview"
    if fits:
        return None
    wanted = ", ".join(trigger.actions) or "any but ReadyForReview"
    return TriggerMiss(reason=f"the action is {git.action}, the trigger wants {wanted}")


def _missed(trigger: TriggerSpec, context: JsonObject, git: GitEvent | None) -> TriggerMiss | None:
    raw = as_raw(context)
    scope = MappingScope({"trigger": raw, "eventPayload": as_raw(context.get("payload"))})
    try:
        for condition in (*trigger.header_conditions, *trigger.payload_conditions):
            reason = _condition_fault(condition, scope, git)
            if reason:
                return TriggerMiss(reason=reason)
        if trigger.jexl_condition and not evaluate_condition(trigger.jexl_condition, scope):
            return TriggerMiss(reason=f"the JEXL condition is false: {trigger.jexl_condition}")
    except ExpressionError as error:
        return TriggerMiss(reason=error.message)
    return None


def _condition_fault(condition: Condition, scope: MappingScope, git: GitEvent | None) -> str:
    words = f"{condition.key} {condition.operator} {condition.value!r}"
    if condition.key in _SPECIAL_KEYS and git is not None:
        return _special_fault(condition, words, git)
    value = render(condition.key, scope, unresolved="null")
    text = "" if value is None else to_text(value)
    return "" if holds(condition, text) else f"condition not met: {words} (it is {text!r})"


def _special_fault(condition: Condition, words: str, git: GitEvent) -> str:
    if condition.key == "changedFiles":
        if git.changed_files is None:
            return f"the changed files are not known: {words}"
        met = holds_for_files(condition, git.changed_files)
        return "" if met else f"condition not met: {words}"
    if condition.key == "sourceBranch" and git.kind == "Push":
        return ""
    value = to_text(git.trigger.get(condition.key) or "")
    return "" if holds(condition, value) else f"condition not met: {words} (it is {value!r})"
