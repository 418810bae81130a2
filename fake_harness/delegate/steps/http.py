"""The `Http` step. Source: HTTP step reference; harness-core HttpStep, HttpStepUtils.

Run twice: the request is sent twice. Certificates are not verified, as the step's default is.
"""

import json
import re
import warnings
from collections.abc import Mapping

import requests
import urllib3

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import JsonObject, StepFailedError, StepResult

_LONGEST_WAIT_S = 60.0
_COMPARISON = re.compile(r"^\s*(.+?)\s*(==|!=|<=|>=|<|>|=\^|=\$|=~)\s*(.+?)\s*$")


def http(context: StepContext) -> StepResult:
    """Send the request and check the assertion, which sees the answer."""
    url, method = context.text("url"), context.text("method").upper()
    headers = _pairs(context, "headers")
    context.log(f"{method} {url}")
    answer = _send(context, url, method, headers)
    outcome: dict[str, object] = {
        "httpUrl": url,
        "httpMethod": method,
        "httpResponseCode": answer.status_code,
        "httpResponseBody": answer.text,
        "status": "SUCCESS",
        "errorMsg": None,
    }
    context.log(f"Status code: {answer.status_code}")
    for line in answer.text[:4000].splitlines():
        context.log(line)
    assertion = context.text("assertion", "")
    if assertion and not holds(assertion, outcome):
        message = f"assertion failed: {assertion} (status code {answer.status_code})"
        error = StepFailedError(message, "APPLICATION_ERROR")
        error.outputs = {**outcome, "status": "FAILURE", "errorMsg": message}
        raise error
    variables = {
        name: _value(expression, outcome)
        for name, expression in _output_expressions(context).items()
    }
    return StepResult(
        outputs={**outcome, "outputVariables": variables},
        output_variables={name: _text(value) for name, value in variables.items()},
    )


def holds(assertion: str, outcome: JsonObject) -> bool:
    """Evaluate an assertion over the answer: comparisons joined by `&&` and `||`.

    Operands: `<+httpResponseCode>`, `<+httpResponseBody>`, `<+json.select("path", body)>`
    (dotted path), literals; `.contains("x")` on the body.

    Raises:
        StepFailedError: the assertion has another form.
    """
    text = assertion.strip()
    if text.startswith("<+") and text.endswith(">") and _closes_at_end(text):
        text = text[2:-1]
    return any(
        all(_holds_one(part, outcome) for part in alternative.split("&&"))
        for alternative in text.split("||")
    )


def _holds_one(text: str, outcome: JsonObject) -> bool:
    match = _COMPARISON.match(text)
    if match is None or ".contains(" in text:
        return bool(_value(text, outcome))
    left, operator, right = match.groups()
    one, other = _value(left, outcome), _value(right, outcome)
    if operator in {"=^", "=$", "=~"}:
        return _text_match(operator, _text(one), _text(other))
    if isinstance(one, (int, float)) or isinstance(other, (int, float)):
        return _compare(operator, _number(one), _number(other))
    return _compare(operator, _text(one), _text(other))


def _text_match(operator: str, one: str, other: str) -> bool:
    if operator == "=^":
        return one.startswith(other)
    if operator == "=$":
        return one.endswith(other)
    return re.search(other, one) is not None


def _compare(operator: str, one: object, other: object) -> bool:
    order: dict[str, bool] = {"==": one == other, "!=": one != other}
    if operator in order:
        return order[operator]
    assert isinstance(one, (int, float, str))  # noqa: S101  (made by _number or _text)
    assert type(one) is type(other)  # noqa: S101
    smaller, equal = one < other, one == other  # type: ignore[operator]
    return {
        "<": smaller,
        "<=": smaller or equal,
        ">": not smaller and not equal,
        ">=": not smaller,
    }[operator]


def _value(text: str, outcome: JsonObject) -> object:
    """Return what an operand stands for.

    Raises:
        StepFailedError: it is no known operand.
    """
    bare = text.strip().removeprefix("<+").removesuffix(">").strip()
    contains = re.fullmatch(r"(?:<\+)?(\w+)>?\.contains\(\s*[\"'](.*)[\"']\s*\)", text.strip())
    if contains:
        return contains.group(2) in _text(outcome.get(contains.group(1)))
    select = re.fullmatch(r"json\.(?:select|object)\(\s*[\"']([^\"']*)[\"']\s*,\s*(.+)\)", bare)
    if select:
        return _select(select.group(1), _text(_value(select.group(2), outcome)))
    if bare in outcome:
        return outcome[bare]
    if bare in {"true", "false"}:
        return bare == "true"
    if re.fullmatch(r"-?\d+(\.\d+)?", bare):
        return float(bare) if "." in bare else int(bare)
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":
        return bare[1:-1]
    raise StepFailedError(f"The Http step cannot evaluate [{text.strip()}].", "INVALID_REQUEST")


def _select(path: str, body: str) -> object:
    try:
        value: object = json.loads(body)
    except ValueError:
        return None
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return float("nan")


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _closes_at_end(text: str) -> bool:
    """True when the first `<+` is closed by the last `>`."""
    depth = 0
    for index, char in enumerate(text):
        if text.startswith("<+", index):
            depth += 1
        elif char == ">" and depth:
            depth -= 1
            if depth == 0:
                return index == len(text) - 1
    return False


def _send(
    context: StepContext, url: str, method: str, headers: Mapping[str, str]
) -> requests.Response:
    body = context.text("requestBody", "") or None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            return requests.request(
                method,
                url,
                headers=dict(headers),
                data=body.encode() if body else None,
                timeout=min(context.timeout_s, _LONGEST_WAIT_S),
                verify=False,  # noqa: S501  (the step's documented default)
            )
    except requests.RequestException as error:
        message = f"{method} {url}: {error}"
        raise StepFailedError(message, "CONNECTIVITY") from error


def _pairs(context: StepContext, name: str) -> dict[str, str]:
    value = context.params.get(name)
    rows = value if isinstance(value, list) else []
    return {str(row["key"]): str(row.get("value") or "") for row in rows if "key" in row}


def _output_expressions(context: StepContext) -> dict[str, str]:
    value = context.params.get("outputVariables")
    rows = value if isinstance(value, list) else []
    return {str(row["name"]): str(row.get("value") or "") for row in rows if "name" in row}
