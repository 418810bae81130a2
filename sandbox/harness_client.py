"""A small client of Harness's REST API, for `sandbox sync`, `sandbox pipeline` and the demo.

It speaks to whatever `HARNESS_ENDPOINT` names: the sandbox or Harness itself.
Source: Harness API reference; paths as the Go SDK uses them.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from sandbox.errors import EnvironmentNotReadyError, SandboxError

Json = dict[str, Any]

_TIMEOUT_S = 60


class HarnessRefusedError(SandboxError):
    """The API answered an error; `code` is Harness's."""

    def __init__(self, message: str, *, code: str, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.status = status


class HarnessClient:
    """One account's API. Not thread-safe.

    Args:
        endpoint: `https://app.harness.io/gateway`, or the sandbox's.
        account_id: the Harness account.
        api_key: a personal access or service account token.
    """

    def __init__(self, endpoint: str, account_id: str, api_key: str) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.account_id = account_id
        self._session = requests.Session()
        self._session.headers.update({"x-api-key": api_key, "Harness-Account": account_id})
        if endpoint.startswith("http://127.0.0.1"):
            self._session.trust_env = False

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        yaml: str | None = None,
    ) -> Any:
        """Call one endpoint and return `data` of the envelope, or the bare answer.

        Raises:
            HarnessRefusedError: the API refused; the message is Harness's.
            EnvironmentNotReadyError: nothing answers at the endpoint.
        """
        headers = {"Content-Type": "application/yaml" if yaml is not None else "application/json"}
        text = yaml if yaml is not None else json.dumps(body) if body is not None else None
        data = text.encode() if text is not None else None
        return self._send(method, path, query or {}, headers=headers, data=data)

    def upload(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object],
        fields: Mapping[str, str],
        content: bytes,
    ) -> Any:
        """Send a multipart form with one file part named `content`; errors as of `call`."""
        files = {"content": ("content", content)}
        return self._send(method, path, query, data=fields, files=files)

    def _send(self, method: str, path: str, query: Mapping[str, object], **parts: Any) -> Any:
        params = {"accountIdentifier": self.account_id, **query}
        given = {name: str(value) for name, value in params.items() if value is not None}
        return _unwrap(self._request(method, self.endpoint + path, params=given, **parts))

    def _request(self, method: str, url: str, **parts: Any) -> requests.Response:
        try:
            return self._session.request(method, url, timeout=_TIMEOUT_S, **parts)
        except requests.Timeout as error:
            raise EnvironmentNotReadyError(
                f"{self.endpoint} does not answer within {_TIMEOUT_S} s.",
                hint="`sandbox logs harness` shows what it is doing.",
            ) from error
        except requests.RequestException as error:
            raise EnvironmentNotReadyError(
                f"Nothing answers at {self.endpoint}.",
                hint="Run `sandbox up`, or point HARNESS_ENDPOINT at your Harness.",
            ) from error

    # --- executions -----------------------------------------------------------------

    def execute(
        self,
        org: str,
        project: str,
        pipeline: str,
        *,
        inputs_yaml: str = "",
        input_sets: tuple[str, ...] = (),
    ) -> str:
        """Start a pipeline and return its planExecutionId."""
        query: dict[str, object] = {"orgIdentifier": org, "projectIdentifier": project}
        if input_sets:
            query["inputSetIdentifiers"] = ",".join(input_sets)
        path = f"/pipeline/api/pipeline/execute/{pipeline}"
        data = self.call("POST", path, query=query, yaml=inputs_yaml)
        return str(data["planExecution"]["uuid"])

    def execution(self, org: str, project: str, execution_id: str, *, graph: bool = True) -> Json:
        """Return pipelineExecutionSummary and executionGraph."""
        query = {
            "orgIdentifier": org,
            "projectIdentifier": project,
            "renderFullBottomGraph": str(graph).lower(),
        }
        path = f"/pipeline/api/pipelines/execution/v2/{execution_id}"
        answer: Json = self.call("GET", path, query=query)
        return answer

    def executions(
        self, org: str, project: str, *, pipeline: str = "", page: int = 0, size: int = 20
    ) -> list[Json]:
        """Return execution summaries, newest first."""
        query: dict[str, object] = {
            "orgIdentifier": org,
            "projectIdentifier": project,
            "page": page,
            "size": size,
        }
        if pipeline:
            query["pipelineIdentifier"] = pipeline
        path = "/pipeline/api/pipelines/execution/summary"
        body = {"filterType": "PipelineExecution"}
        data = self.call("POST", path, query=query, body=body)
        rows: list[Json] = data["content"]
        return rows

    def interrupt(self, org: str, project: str, execution_id: str, kind: str) -> None:
        """Put an interrupt (`AbortAll`, ...) on an execution."""
        query = {"orgIdentifier": org, "projectIdentifier": project, "interruptType": kind}
        self.call("PUT", f"/pipeline/api/pipeline/execute/interrupt/{execution_id}", query=query)

    def approvals(self, org: str, project: str, execution_id: str) -> list[Json]:
        """Return the approval instances of an execution."""
        path = f"/pipeline/api/v1/orgs/{org}/projects/{project}/approvals/execution/{execution_id}"
        rows: list[Json] = self.call("GET", path)
        return rows

    def act_on_approval(
        self,
        approval_id: str,
        action: str,
        *,
        comments: str = "",
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        """Approve or reject: `action` is APPROVE or REJECT."""
        body = {
            "action": action,
            "comments": comments,
            "approverInputs": [{"name": k, "value": v} for k, v in (inputs or {}).items()],
        }
        self.call("POST", f"/pipeline/api/approvals/{approval_id}/harness/activity", body=body)

    def log_lines(self, key: str) -> Iterator[Json]:
        """Yield the lines of one log, from the blob of a closed log or the open one."""
        url = f"{self.endpoint}/log-service/blob"
        answer = self._request("GET", url, params={"accountID": self.account_id, "key": key})
        if answer.status_code == 404:
            return
        if not answer.ok:
            _unwrap(answer)
        for line in answer.text.splitlines():
            if line.strip():
                yield json.loads(line)


def _unwrap(answer: requests.Response) -> Any:
    try:
        body = answer.json() if answer.content else None
    except ValueError:
        body = None
    if answer.ok:
        if isinstance(body, dict) and "status" in body and "data" in body:
            return body["data"]
        if isinstance(body, dict) and "resource" in body and "metaData" in body:
            return body["resource"]
        return body
    detail = body if isinstance(body, dict) else {}
    message = str(detail.get("message") or answer.text[:500] or answer.reason)
    if answer.status_code == 401:
        hint = "Is HARNESS_PLATFORM_API_KEY the key of this account? Unset it for the sandbox's."
    else:
        hint = ""
    raise HarnessRefusedError(
        f"Harness refused {answer.request.method} {answer.request.path_url.partition('?')[0]}: "
        f"{message}",
        hint=hint,
        code=str(detail.get("code") or answer.status_code),
        status=answer.status_code,
    )
