"""The client of Harness's API: envelopes in, readable errors out."""

import json
from pathlib import Path

import pytest
import requests
from harness_double import HarnessDouble

from sandbox.environments import harness_variables
from sandbox.errors import EnvironmentNotReadyError, UsageError
from sandbox.harness_client import HarnessRefusedError
from sandbox.harness_target import harness_client
from sandbox.settings import Settings

REFUSED = {"status": "ERROR", "code": "INVALID_TOKEN", "message": "Token is not valid"}


def test_envelopes_are_unwrapped() -> None:
    harness = HarnessDouble(refuse={"/x": (200, {"status": "SUCCESS", "data": {"a": 1}})})
    assert harness.client().call("GET", "/x") == {"a": 1}
    harness = HarnessDouble(refuse={"/x": (200, {"metaData": {}, "resource": [1]})})
    assert harness.client().call("GET", "/x") == [1]


def test_wrong_key_says_which_variable_to_look_at() -> None:
    harness = HarnessDouble(refuse={"/x": (401, dict(REFUSED))})
    with pytest.raises(HarnessRefusedError) as refused:
        harness.client().call("GET", "/x")
    assert "Token is not valid" in refused.value.message
    assert "HARNESS_PLATFORM_API_KEY" in refused.value.hint
    assert (refused.value.code, refused.value.status) == ("INVALID_TOKEN", 401)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (requests.ConnectionError("refused"), "Nothing answers at http://127.0.0.1:1/gateway"),
        (requests.ReadTimeout("slow"), "does not answer within"),
    ],
)
def test_silent_endpoint_is_not_ready(error: Exception, said: str) -> None:
    client = HarnessDouble(raises=error).client()
    for call in (
        lambda: client.call("GET", "/x"),
        lambda: client.upload("POST", "/x", query={}, fields={}, content=b""),
        lambda: list(client.log_lines("k")),
    ):
        with pytest.raises(EnvironmentNotReadyError, match=said) as failed:
            call()
        assert failed.value.exit_code == 4


def test_yaml_is_sent_as_it_is_and_inputs_as_a_list() -> None:
    answer = (200, {"status": "SUCCESS", "data": {"planExecution": {"uuid": "e1"}}})
    harness = HarnessDouble(refuse={"/pipeline/api/pipeline/execute/ci": answer})
    text = "pipeline:\n  identifier: ci  # kept\n"
    started = harness.client().execute("o", "p", "ci", inputs_yaml=text, input_sets=("a", "b"))
    assert started == "e1"
    assert harness.calls[0].body.decode() == text
    assert harness.calls[0].query["inputSetIdentifiers"] == "a,b"


def test_approval_carries_its_inputs() -> None:
    harness = HarnessDouble()
    harness.client().act_on_approval("a1", "APPROVE", comments="go", inputs={"k": "v"})
    body = json.loads(harness.calls[0].body)
    assert body["approverInputs"] == [{"name": "k", "value": "v"}]


def test_commands_speak_to_the_sandbox_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    for name in harness_variables(settings):
        monkeypatch.delenv(name, raising=False)
    assert harness_client(settings).endpoint == harness_variables(settings)["HARNESS_ENDPOINT"]


def test_other_endpoint_needs_its_account_and_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in harness_variables(Settings(home=tmp_path)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HARNESS_ENDPOINT", "https://app.harness.io/gateway")
    with pytest.raises(UsageError, match="HARNESS_ACCOUNT_ID and HARNESS_PLATFORM_API_KEY"):
        harness_client(Settings(home=tmp_path))
