"""The Http step's assertion and outputs; the request itself is the delegate's.

The delegate has no expression language, so what looks at the answer is evaluated here.
"""

from collections.abc import Mapping, Sequence

from fake_harness.engine.context import resolve
from fake_harness.engine.failures import NodeFailedError
from fake_harness.engine.steps.port import EngineStep, StepContext
from fake_harness.engine.tree import raw
from fake_harness.pipeline.expressions import evaluate_condition

_ANSWER = (
    "httpUrl",
    "httpMethod",
    "httpResponseCode",
    "httpResponseBody",
    "httpResponseHeaders",
)


def _finish(context: StepContext) -> Mapping[str, object]:
    output = context.row.outcomes.get("output")
    answer = dict(output) if isinstance(output, Mapping) else {}
    scope = context.scope.with_roots(
        {name: raw(answer[name]) for name in _ANSWER if name in answer}
    )
    assertion = context.params.get("assertion")
    if assertion not in {None, ""} and not evaluate_condition(str(assertion), scope):
        code = answer.get("httpResponseCode")
        raise NodeFailedError(f"assertion failed: {assertion} (response code {code})")
    variables = dict(answer.get("outputVariables") or {})
    declared = context.params.get("outputVariables")
    for item in declared if isinstance(declared, Sequence) else ():
        variables[str(item["name"])] = resolve(item.get("value"), scope, unresolved="null")
    if variables:
        answer["outputVariables"] = variables
    return {"outcomes": {**context.row.outcomes, "output": answer}}


HTTP = EngineStep(finish=_finish, unrendered=frozenset({"assertion", "outputVariables"}))
