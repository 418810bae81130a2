"""Webhooks fire the triggers that they should, with the facts that expressions need."""

import pytest

from fake_harness.errors import YamlInvalidError
from fake_harness.pipeline.expressions import MappingScope, as_raw, render
from fake_harness.pipeline.trigger_conditions import Condition, holds
from fake_harness.pipeline.triggers import TriggerMatch, TriggerMiss, match_webhook, parse_trigger
from fake_harness.pipeline.webhooks import WebhookEvent

PUSH = """
trigger:
  name: push
  identifier: push
  enabled: true
  orgIdentifier: o
  projectIdentifier: p
  pipelineIdentifier: ci
  encryptedWebhookSecretIdentifier: hook
  inputSetRefs: [main]
  inputYaml: |
    pipeline: {identifier: ci}
  source:
    type: Webhook
    spec:
      type: Github
      spec:
        type: Push
        spec:
          connectorRef: git
          repoName: workshop
          autoAbortPreviousExecutions: true
          headerConditions: []
          payloadConditions:
            - {key: targetBranch, operator: In, value: 'main, develop'}
          actions: []
"""
PULL = PUSH.replace("type: Push", "type: PullRequest").replace(
    "actions: []", "actions: [Open, Synchronize]"
)
CUSTOM = """
trigger:
  identifier: hook
  pipelineIdentifier: cd
  source:
    type: Webhook
    spec:
      type: Custom
      spec:
        payloadConditions:
          - {key: '<+trigger.payload.kind>', operator: Equals, value: release}
        headerConditions:
          - {key: "<+trigger.header['X-Team']>", operator: Equals, value: web}
        jexlCondition: <+trigger.payload.count> > 2
"""
REPOSITORY = {"full_name": "me/workshop", "html_url": "http://git/me/workshop"}
SHA = "0123456789abcdef0123456789abcdef01234567"


def _push(ref: str = "refs/heads/main", **more: object) -> WebhookEvent:
    payload = {
        "ref": ref,
        "before": "0" * 40,
        "after": SHA,
        "repository": REPOSITORY,
        "pusher": {"name": "ann", "email": "ann@example.com"},
        "sender": {"login": "ann"},
        "head_commit": {"message": 'Fix <+secrets.getValue("x")>'},
        "commits": [{"added": ["apps/a.py"], "modified": ["infra/main.tf"], "removed": []}],
        **more,
    }
    return WebhookEvent(headers={"X-GitHub-Event": "push"}, payload=payload)


def _pull(action: str = "opened", base: str = "main", **more: object) -> WebhookEvent:
    payload = {
        "action": action,
        "number": 7,
        "repository": REPOSITORY,
        "sender": {"login": "bob"},
        "pull_request": {
            "title": "Add users",
            "html_url": "http://git/me/workshop/pull/7",
            "state": "open",
            "body": None,
            "head": {"ref": "feature", "sha": SHA},
            "base": {"ref": base, "sha": "f" * 40},
        },
        **more,
    }
    return WebhookEvent(headers={"x-github-event": "pull_request"}, payload=payload)


def _match(text: str, event: WebhookEvent) -> TriggerMatch:
    found = match_webhook(parse_trigger(text), event)
    assert isinstance(found, TriggerMatch), found
    return found


def _miss(text: str, event: WebhookEvent) -> str:
    found = match_webhook(parse_trigger(text), event)
    assert isinstance(found, TriggerMiss)
    return found.reason


def test_push_fires_with_its_facts() -> None:
    found = _match(PUSH, _push())
    scope = MappingScope({"trigger": as_raw(found.context), "codebase": as_raw(found.codebase)})
    text = "<+trigger.event> <+trigger.branch> <+trigger.payload.repository.full_name> <+codebase.shortCommitSha>"
    assert render(text, scope) == "PUSH main me/workshop 0123456"
    assert found.codebase["build"] == {"type": "Push"}
    assert found.trigger_type == "WEBHOOK"


def test_payload_cannot_smuggle_expressions_in() -> None:
    found = _match(PUSH, _push())
    scope = MappingScope({"codebase": as_raw(found.codebase)})
    assert render("m: <+codebase.commitMessage>", scope) == 'm: Fix <+secrets.getValue("x")>'


def test_pull_request_fires_with_its_facts() -> None:
    found = _match(PULL, _pull())
    assert {
        key: found.context[key] for key in ("event", "branch", "sourceBranch", "targetBranch")
    } == {
        "event": "PR",
        "branch": "feature",
        "sourceBranch": "feature",
        "targetBranch": "main",
    }
    assert found.codebase["branch"] == "main"
    assert found.codebase["prNumber"] == "7"
    assert found.codebase["build"] == {"type": "PR"}


def test_tag_push_has_a_tag_and_no_branch() -> None:
    text = PUSH.replace("key: targetBranch", "key: '<+trigger.tag>'").replace(
        "'main, develop'", "v1"
    )
    found = _match(text, _push("refs/tags/v1"))
    assert found.codebase["tag"] == "v1"
    assert found.codebase["branch"] == ""


def test_custom_webhook_fires_on_payload_and_header() -> None:
    event = WebhookEvent(headers={"X-Team": "web"}, payload={"kind": "release", "count": 3})
    found = _match(CUSTOM, event)
    assert found.trigger_type == "WEBHOOK_CUSTOM"
    assert found.context["type"] == "Custom"


MISSES = [
    (PUSH, _push("refs/heads/other"), "condition not met: targetBranch In"),
    (PUSH, _push(deleted=True), "deletes a ref"),
    (PUSH, _push(repository={"full_name": "me/other"}), "the repository is me/other"),
    (PUSH, _pull(), "the event is PullRequest"),
    (
        PUSH,
        WebhookEvent(headers={"X-GitHub-Event": "ping"}, payload={}),
        "event ping fires no trigger",
    ),
    (PUSH, WebhookEvent(headers={}, payload={}), "no X-GitHub-Event header"),
    (PUSH.replace("enabled: true", "enabled: false"), _push(), "disabled"),
    (PUSH.replace("type: Github", "type: Gitlab"), _push(), "Gitlab webhooks are not supported"),
    (PULL, _pull("closed"), "the action is Close"),
    (PULL, _pull(base="other"), "targetBranch"),
    (PULL.replace("[Open, Synchronize]", "[]"), _pull("ready_for_review"), "ReadyForReview"),
    (
        PULL.replace("key: targetBranch, operator: In", "key: changedFiles, operator: Contains"),
        _pull(),
        "changed files are not known",
    ),
    (
        CUSTOM,
        WebhookEvent(headers={"X-Team": "web"}, payload={"kind": "x", "count": 3}),
        "trigger.payload.kind",
    ),
    (
        CUSTOM,
        WebhookEvent(headers={"X-Team": "web"}, payload={"kind": "release", "count": 1}),
        "JEXL condition is false",
    ),
    (CUSTOM, WebhookEvent(headers={}, payload={"kind": "release", "count": 3}), "X-Team"),
    (
        CUSTOM.replace("count> > 2", "count> >"),
        WebhookEvent(headers={"X-Team": "web"}, payload={"kind": "release"}),
        "Invalid expression",
    ),
]


@pytest.mark.parametrize(("text", "event", "words"), MISSES, ids=[words for *_, words in MISSES])
def test_event_that_does_not_fire_says_why(text: str, event: WebhookEvent, words: str) -> None:
    assert words in _miss(text, event)


@pytest.mark.parametrize(
    ("operator", "value", "fires"),
    [
        ("StartsWith", "apps/", True),
        ("Contains", "nope", False),
        ("DoesNotContain", "infra", False),
        ("Regex", ".*\\.py", True),
    ],
)
def test_changed_files_of_a_push_are_looked_at(operator: str, value: str, *, fires: bool) -> None:
    condition = f"{{key: changedFiles, operator: {operator}, value: '{value}'}}"
    text = PUSH.replace("{key: targetBranch, operator: In, value: 'main, develop'}", condition)
    assert isinstance(match_webhook(parse_trigger(text), _push()), TriggerMatch) is fires


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("workshop", True),
        ("me/workshop", True),
        ("http://git/me/workshop.git", True),
        ("shop", False),
    ],
)
def test_repository_is_found_by_connector_url(wanted: str, *, fits: bool) -> None:
    trigger = parse_trigger(PUSH.replace("repoName: workshop", "repoName: ''"))
    assert isinstance(match_webhook(trigger, _push(), connector_url=wanted), TriggerMatch) is fits


@pytest.mark.parametrize(
    ("operator", "value", "text", "verdict"),
    [
        ("Equals", "a", "a", True),
        ("Equals", "", "", True),
        ("Equals", "", "a", False),
        ("NotEquals", "a", "b", True),
        ("In", 'a, "b,c"', "b,c", True),
        ("NotIn", "a,b", "c", True),
        ("Contains", "", "x", True),
        ("DoesNotContain", "x", "abc", True),
        ("StartsWith", "", "x", True),
        ("EndsWith", "c", "abc", True),
        ("Regex", "release/.*", "release/1", True),
        ("Regex", "release", "release/1", False),
    ],
)
def test_operator_judges_text(operator: str, value: str, text: str, *, verdict: bool) -> None:
    assert holds(Condition(key="k", operator=operator, value=value), text) is verdict


def test_unknown_operator_is_refused_with_its_path() -> None:
    with pytest.raises(YamlInvalidError) as caught:
        parse_trigger(PUSH.replace("operator: In", "operator: Within"))
    assert caught.value.problems[0].yaml_path.endswith("payloadConditions[0].operator")


def test_trigger_keeps_what_a_run_needs() -> None:
    trigger = parse_trigger(PUSH)
    assert (trigger.pipeline_identifier, trigger.input_set_refs, trigger.auto_abort) == (
        "ci",
        ("main",),
        True,
    )
    assert trigger.secret_identifier == "hook"
    assert "identifier: ci" in trigger.input_yaml
