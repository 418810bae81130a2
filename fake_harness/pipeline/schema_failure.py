"""Read failure strategies and check the rules that only the server knows.

Source: v0 pipeline schema (errors, actions); harness-core `FailureStrategiesUtils` (rules).
"""

from collections.abc import Mapping

from fake_harness.pipeline.durations import parse_duration
from fake_harness.pipeline.fields import is_expression
from fake_harness.pipeline.plan import FailureAction, FailureStrategy, JsonObject
from fake_harness.pipeline.problems import Report, nearest
from fake_harness.pipeline.schema_parts import mapping, text
from fake_harness.pipeline.yaml_source import join

ERRORS = frozenset(
    {
        "AllErrors",
        "Unknown",
        "Authentication",
        "Connectivity",
        "Timeout",
        "Authorization",
        "Verification",
        "DelegateProvisioning",
        "PolicyEvaluationFailure",
        "InputTimeoutError",
        "ApprovalRejection",
        "DelegateRestart",
        "UserMarkedFailure",
        "InfrastructureFailure",
        "PluginImageFailure",
        "ResourceLimitsFailure",
        "ConfigurationFailure",
        "RetryableTransientFailure",
    }
)
ACTIONS = frozenset(
    {
        "Ignore",
        "Abort",
        "MarkAsSuccess",
        "MarkAsFailure",
        "StageRollback",
        "StepGroupRollback",
        "PipelineRollback",
        "Retry",
        "ManualIntervention",
    }
)
_UNSUPPORTED = frozenset({"ProceedWithDefaultValues", "RetryStepGroup"})
_NO_ACTION = FailureAction(type="MarkAsFailure")


def failure_strategies(raw: JsonObject, path: str, report: Report) -> tuple[FailureStrategy, ...]:
    """Return the checked failure strategies of a node."""
    value = raw.get("failureStrategies")
    at = join(path, "failureStrategies")
    if value is None or is_expression(value):
        return ()
    if not isinstance(value, list):
        report.error(at, "failureStrategies must be a list", source="schema")
        return ()
    found = tuple(
        _strategy(
            mapping(item, f"{at}[{i}]", report, what="a failure strategy"), f"{at}[{i}]", report
        )
        for i, item in enumerate(value)
    )
    _check_overlap(found, at, report)
    return found


def _strategy(raw: JsonObject, path: str, report: Report) -> FailureStrategy:
    report.unknown_keys(path, raw, {"onFailure", "description"})
    at = join(path, "onFailure")
    if "onFailure" not in raw:
        report.missing(path, "onFailure", "a failure strategy")
        return FailureStrategy(errors=(), action=_NO_ACTION)
    block = mapping(raw["onFailure"], at, report, what="onFailure")
    report.unknown_keys(at, block, {"errors", "action", "description"})
    return FailureStrategy(
        errors=_errors(block, at, report),
        action=_action(block.get("action"), join(at, "action"), report),
    )


def _errors(block: JsonObject, path: str, report: Report) -> tuple[str, ...]:
    at = join(path, "errors")
    value = block.get("errors")
    if not isinstance(value, list) or not value:
        report.error(at, "onFailure needs a list of `errors`", source="schema")
        return ()
    errors = tuple(text(item) for item in value)
    for index, error in enumerate(errors):
        if error not in ERRORS:
            near = nearest(error, ERRORS)
            hint = f"Did you mean {near!r}?" if near else f"Known: {', '.join(sorted(ERRORS))}."
            message = f"{error!r} is not a failure type"
            report.error(f"{at}[{index}]", message, source="schema", hint=hint)
    if "AllErrors" in errors and len(errors) > 1:
        report.error(at, "AllErrors must stand alone in its list")
    return errors


def _action(value: object, path: str, report: Report, *, outer: str = "") -> FailureAction:
    if not isinstance(value, Mapping):
        report.error(path, "onFailure needs an `action`", source="schema")
        return _NO_ACTION
    report.unknown_keys(path, value, {"type", "spec", "description"})
    kind = text(value.get("type"))
    if not _is_allowed(kind, join(path, "type"), report, outer=outer):
        return _NO_ACTION
    spec = value.get("spec")
    block: JsonObject = spec if isinstance(spec, Mapping) else {}
    at = join(path, "spec")
    if kind == "Retry":
        return _retry(block, at, report)
    if kind == "ManualIntervention":
        return _intervention(block, at, report)
    return FailureAction(type=kind)


def _is_allowed(kind: str, path: str, report: Report, *, outer: str) -> bool:
    if kind in _UNSUPPORTED:
        report.error(path, f"failure action {kind} is not supported by the sandbox")
    elif kind not in ACTIONS:
        near = nearest(kind, ACTIONS)
        hint = f"Did you mean {near!r}?" if near else f"Known: {', '.join(sorted(ACTIONS))}."
        report.error(path, f"{kind!r} is not a failure action", hint=hint)
    elif kind in _FORBIDDEN_INSIDE.get(outer, ()):
        report.error(path, f"{kind} is not allowed inside {outer}")
    else:
        return True
    return False


_FORBIDDEN_INSIDE = {
    "Retry": ("Retry",),
    "ManualIntervention": ("ManualIntervention", "Retry"),
}


def _retry(spec: JsonObject, path: str, report: Report) -> FailureAction:
    report.unknown_keys(path, spec, {"retryCount", "retryIntervals", "onRetryFailure"})
    count = spec.get("retryCount")
    if count is None:
        report.missing(path, "retryCount", "Retry", source="semantic")
    elif isinstance(count, bool) or not str(count).isdigit():
        message = f"retryCount must be a whole number, found {count!r}"
        report.error(join(path, "retryCount"), message, hint="Expressions are not allowed here.")
    intervals = spec.get("retryIntervals")
    if not isinstance(intervals, list) or not intervals:
        report.missing(path, "retryIntervals", "Retry", source="semantic")
    follow = spec.get("onRetryFailure")
    if not isinstance(follow, Mapping):
        report.missing(path, "onRetryFailure", "Retry", source="semantic")
    return FailureAction(
        type="Retry",
        retry_count=int(str(count)) if str(count).isdigit() else 0,
        retry_intervals_s=tuple(
            _seconds(item, f"{path}.retryIntervals[{i}]", report)
            for i, item in enumerate(intervals if isinstance(intervals, list) else [])
        ),
        on_retry_failure=_follow(follow, join(path, "onRetryFailure"), report, outer="Retry"),
    )


def _intervention(spec: JsonObject, path: str, report: Report) -> FailureAction:
    report.unknown_keys(path, spec, {"timeout", "onTimeout"})
    limit = spec.get("timeout")
    if limit is None:
        report.missing(path, "timeout", "ManualIntervention")
    follow = spec.get("onTimeout")
    if not isinstance(follow, Mapping):
        report.missing(path, "onTimeout", "ManualIntervention")
    at = join(path, "onTimeout")
    return FailureAction(
        type="ManualIntervention",
        timeout_s=None if limit is None else _seconds(limit, join(path, "timeout"), report),
        on_timeout=_follow(follow, at, report, outer="ManualIntervention"),
    )


def _follow(value: object, path: str, report: Report, *, outer: str) -> FailureAction | None:
    if not isinstance(value, Mapping):
        return None
    report.unknown_keys(path, value, {"action"})
    return _action(value.get("action"), join(path, "action"), report, outer=outer)


def _seconds(value: object, path: str, report: Report) -> float:
    try:
        return parse_duration(text(value))
    except ValueError as error:
        hint = "Expressions are not allowed here." if is_expression(value) else ""
        report.error(path, str(error), hint=hint)
        return 0.0


def _check_overlap(found: tuple[FailureStrategy, ...], path: str, report: Report) -> None:
    first: dict[str, FailureAction] = {}
    for index, strategy in enumerate(found):
        at = f"{path}[{index}].onFailure.errors"
        for error in strategy.errors:
            if error not in first:
                first[error] = strategy.action
            elif error == "AllErrors":
                report.error(at, "AllErrors appears in two failure strategies of one node")
            elif first[error] != strategy.action:
                report.error(at, f"{error} is given two different actions")
