"""The preflight on what Harness lacks: connectors, delegates, a valid key."""

import pytest
from harness_double import HarnessDouble
from preflight_needs import needs, worst

from sandbox.switch.preflight import harness
from sandbox.switch.preflight.line import Verdict

CONNECTOR = {"connector": {"identifier": "own", "spec": {"executeOnDelegate": True}}}
PIPELINE = {
    "pipeline": {
        "spec": {"connectorRef": "own", "delegateSelectors": ["prod"]},
        "other": {"connectorRef": "account.docker", "gitConnectorRef": "<+input>"},
    }
}


def test_only_connectors_that_nobody_brings_are_asked_for() -> None:
    stack = needs(documents={"connectors/own.yaml": CONNECTOR, "pipelines/p.yaml": PIPELINE})
    assert harness.foreign_connectors(stack) == {"account.docker"}
    assert harness.selectors(stack) == {"prod"}
    assert harness.needs_delegate(stack)


FOLDER = needs(documents={"connectors/own.yaml": CONNECTOR, "pipelines/p.yaml": PIPELINE})
DELEGATES = "/ng/api/delegate-setup/listDelegates"


def delegates(*tags: str, connected: bool = True) -> tuple[int, dict[str, object]]:
    row = {"name": "d", "tags": list(tags), "connected": connected}
    return 200, {"metaData": {}, "resource": [row]}


def test_harness_with_everything_there_is_fine() -> None:
    double = HarnessDouble(refuse={DELEGATES: delegates("prod")})
    assert worst(harness.check_harness(double.client(), FOLDER)) is Verdict.OK
    assert "GET /ng/api/connectors/docker" in double.made()
    assert {call.method for call in double.calls if call.path != DELEGATES} == {"GET"}


@pytest.mark.parametrize(
    ("path", "answer", "check"),
    [
        ("/ng/api/organizations", (401, {"message": "no"}), "Harness"),
        ("/ng/api/connectors/docker", (404, {"message": "no"}), "connector: account.docker"),
        (DELEGATES, (200, {"metaData": {}, "resource": []}), "delegate"),
        (DELEGATES, delegates("prod", connected=False), "delegate"),
        (DELEGATES, delegates("dev"), "delegate"),
    ],
    ids=["key", "connector", "no delegate", "disconnected", "other tag"],
)
def test_what_harness_lacks_blocks(
    path: str, answer: tuple[int, dict[str, object]], check: str
) -> None:
    double = HarnessDouble(refuse={DELEGATES: delegates("prod"), path: answer})
    lines = harness.check_harness(double.client(), FOLDER)
    blocked = [line for line in lines if line.verdict is Verdict.BLOCKED]
    assert [line.check for line in blocked] == [check]
    assert all(line.mend for line in blocked)
