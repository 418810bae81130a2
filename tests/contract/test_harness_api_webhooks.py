"""Webhooks over HTTP: signed events start what their triggers say, others say why not."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from harness_api_server import ACCOUNT, WHAT, Api, api_server, pipeline, stage, start_afresh

SECRET = "webhook-s3cret"
PUSH = {
    "ref": "refs/heads/main",
    "before": "0" * 40,
    "after": "a" * 40,
    "repository": {
        "name": "shop",
        "full_name": "shop/shop",
        "html_url": "http://git/shop/shop",
        "clone_url": "http://git/shop/shop.git",
        "owner": {"login": "shop"},
    },
    "pusher": {"name": "dev", "email": "dev@localhost"},
    "sender": {"login": "dev", "id": 1},
    "head_commit": {
        "id": "a" * 40,
        "message": "Brew",
        "timestamp": "2026-11-23T12:00:00Z",
        "author": {"name": "Dev", "email": "dev@localhost"},
    },
    "commits": [
        {"id": "a" * 40, "message": "Brew", "added": ["a.txt"], "modified": [], "removed": []}
    ],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_server(tmp_path_factory.mktemp("harness")) as running:
        yield running


@pytest.fixture
def api(server: Api) -> Api:
    start_afresh(server)
    server.add_pipeline(pipeline("brew", stage("one"), variables=WHAT))
    return server


def add_github_trigger(api: Api, *, secret: str = "hook", branch: str = "main") -> None:
    if secret:
        spec = {"secretManagerIdentifier": "x", "valueType": "Inline", "value": SECRET}
        body = {"identifier": secret, "name": secret, "type": "SecretText", "spec": spec}
        api.data("POST", "/ng/api/v2/secrets", json={"secret": body})
    api.data(
        "POST",
        "/pipeline/api/triggers",
        params={"targetIdentifier": "brew"},
        data=f"""trigger:
  name: push
  identifier: push
  enabled: true
  orgIdentifier: shop
  projectIdentifier: web
  pipelineIdentifier: brew
  encryptedWebhookSecretIdentifier: "{secret}"
  source:
    type: Webhook
    spec:
      type: Github
      spec:
        type: Push
        spec:
          connectorRef: ""
          autoAbortPreviousExecutions: false
          payloadConditions: [{{key: targetBranch, operator: Equals, value: {branch}}}]
          headerConditions: []
          actions: []
  inputYaml: |
    pipeline:
      identifier: brew
      variables:
        - name: what
          type: String
          value: <+trigger.commitSha>
""",
    )


def send(api: Api, *, signature: str | None, body: bytes | None = None) -> Any:
    """Send a push as a Git server does: no API key."""
    payload = json.dumps(PUSH).encode() if body is None else body
    headers = {"X-GitHub-Event": "push", "Content-Type": "application/json"}
    if signature is not None:
        headers["X-Hub-Signature-256"] = signature
    url = f"{api.url}/ng/api/webhook?accountIdentifier={ACCOUNT}"
    answer = requests.post(url, data=payload, headers=headers, timeout=30)
    assert answer.ok, answer.text
    return answer.json()["data"]


def signed(body: bytes = json.dumps(PUSH).encode(), key: str = SECRET) -> str:
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def details(api: Api, event_id: str) -> Any:
    return api.data("GET", f"/pipeline/api/webhook/triggerExecutionDetails/{event_id}")


def test_signed_push_starts_the_pipeline_with_the_commit(api: Api) -> None:
    add_github_trigger(api)
    answer = send(api, signature=signed())
    assert answer["status"] == "TARGET_EXECUTION_REQUESTED"
    found = details(api, answer["eventCorrelationId"])
    started = found["webhookProcessingDetails"]["pipelineExecutionId"]
    summary = found["executionDetails"]["pipelineExecutionSummary"]
    assert summary["planExecutionId"] == started
    assert summary["executionTriggerInfo"]["triggerType"] == "WEBHOOK"
    inputs = api.data("GET", f"/pipeline/api/pipelines/execution/{started}/inputset")
    assert "a" * 40 in inputs["inputSetYaml"]
    path = "/pipeline/api/webhook/triggerProcessingDetails"
    again = api.data("GET", path, params={"eventId": answer["eventCorrelationId"]})
    assert (again["eventFound"], again["exceptionOccured"]) == (True, False)


@pytest.mark.parametrize(
    "signature",
    [None, "", "sha256=" + "0" * 64, signed(key="other"), "sha1=x", "sha256=ü"],
    ids=["missing", "empty", "zeros", "other key", "sha1", "not ascii"],
)
def test_push_that_is_not_signed_with_the_secret_starts_nothing(
    api: Api, signature: str | None
) -> None:
    add_github_trigger(api)
    sent = signature.encode() if signature else signature
    answer = send(api, signature=sent)  # type: ignore[arg-type]
    assert answer["status"] == "NO_MATCHING_TRIGGER_FOR_REPO"
    assert "signature" in answer["message"]
    assert details(api, answer["eventCorrelationId"])["executionDetails"] is None


def test_trigger_without_a_secret_takes_unsigned_pushes(api: Api) -> None:
    add_github_trigger(api, secret="")
    assert send(api, signature=None)["status"] == "TARGET_EXECUTION_REQUESTED"


def test_push_to_another_branch_says_why_nothing_starts(api: Api) -> None:
    add_github_trigger(api, branch="release")
    answer = send(api, signature=signed())
    assert answer["status"] == "NO_MATCHING_TRIGGER_FOR_REPO"
    assert "push: " in answer["message"]


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b'"x"'])
def test_payload_that_is_no_json_object_is_noted_and_starts_nothing(api: Api, body: bytes) -> None:
    add_github_trigger(api)
    assert send(api, signature=signed(body), body=body)["status"] == "INVALID_PAYLOAD"


def test_custom_webhook_starts_the_trigger_that_it_names(api: Api) -> None:
    for name in ("one", "two"):
        api.data(
            "POST",
            "/pipeline/api/triggers",
            params={"targetIdentifier": "brew"},
            data=f"""trigger:
  name: {name}
  identifier: {name}
  enabled: true
  orgIdentifier: shop
  projectIdentifier: web
  pipelineIdentifier: brew
  source:
    type: Webhook
    spec:
      type: Custom
      spec: {{payloadConditions: [], headerConditions: []}}
  inputYaml: |
    pipeline:
      identifier: brew
      variables:
        - name: what
          type: String
          value: <+trigger.payload.drink>
""",
        )
    params = {"pipelineIdentifier": "brew", "triggerIdentifier": "two"}
    path = "/pipeline/api/webhook/custom/token/v3"
    answer = api.data("POST", path, params=params, json={"drink": "cocoa"})
    started = details(api, answer["eventCorrelationId"])["webhookProcessingDetails"]
    inputs = f"/pipeline/api/pipelines/execution/{started['pipelineExecutionId']}/inputset"
    assert "cocoa" in api.data("GET", inputs)["inputSetYaml"]
    assert answer["apiUrl"].endswith(f"{answer['eventCorrelationId']}?accountIdentifier={ACCOUNT}")
    page = api.data("POST", "/pipeline/api/pipelines/execution/summary", json={})
    assert page["totalElements"] == 1


def test_unknown_event_is_not_found(api: Api) -> None:
    api.refusal(404, "GET", "/pipeline/api/webhook/triggerExecutionDetails/no")
