"""The `Http` step's request. Source: HTTP step reference; harness-core HttpStep, HttpServiceImpl.

It does not look at the answer: assertion and output variables are expressions, which the
engine evaluates. Run twice: the request is sent twice. Certificates are not verified, as the
step's default is.
"""

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlsplit

from fake_harness.delegate.context import StepContext
from fake_harness.delegate.results import StepFailedError, StepResult

_LONGEST_WAIT_S = 60.0
_SHOWN_CHARACTERS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    text: str


def http(context: StepContext) -> StepResult:
    """Send the request; any answer is a success until the engine has judged it."""
    url, method = context.text("url"), context.text("method").upper()
    context.log(f"{method} {url}")
    answer = _send(context, url, method)
    context.log(f"Status code: {answer.status}")
    for line in answer.text[:_SHOWN_CHARACTERS].splitlines():
        context.log(line)
    return StepResult(
        outputs={
            "httpUrl": url,
            "httpMethod": method,
            "httpResponseCode": answer.status,
            "httpResponseBody": answer.text,
            "httpResponseHeaders": dict(answer.headers),
            "status": "SUCCESS",
            "errorMsg": None,
        }
    )


def _send(context: StepContext, url: str, method: str) -> _Answer:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise StepFailedError(f"[{url}] is no http or https URL.", "INVALID_REQUEST")
    body = context.text("requestBody", "")
    headers = _headers(context)
    if body and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "text/plain; charset=UTF-8"
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=unverified))
    try:
        request = urllib.request.Request(  # noqa: S310  (the scheme is checked)
            url, data=body.encode() or None, headers=headers, method=method
        )
        with opener.open(request, timeout=min(context.remaining_s, _LONGEST_WAIT_S)) as answer:
            return _read(answer.status, answer)
    except urllib.error.HTTPError as answer:
        with answer:
            return _read(answer.code, answer)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise StepFailedError(f"{method} {url}: {reason}", "CONNECTIVITY") from error


def _read(status: int, answer: "urllib.error.HTTPError | urllib.response.addinfourl") -> _Answer:
    text = answer.read().decode(answer.headers.get_content_charset() or "utf-8", "replace")
    return _Answer(status=status, headers=dict(answer.headers.items()), text=text)


def _headers(context: StepContext) -> dict[str, str]:
    value = context.params.get("headers")
    rows = value if isinstance(value, list) else []
    given = {str(row["key"]): str(row.get("value") or "") for row in rows if row.get("key")}
    return {"User-Agent": "harness-delegate", **given}
