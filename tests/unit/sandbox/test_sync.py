"""`sandbox sync`: all files are checked before any call; repeating updates."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from harness_double import HarnessDouble

from sandbox.errors import UsageError
from sandbox.harness_client import HarnessRefusedError
from sandbox.sync import Syncer, SyncValues, fill

CONFIG = {
    "organization": "organization.yaml",
    "project": "project.yaml",
    "entities": [
        {"kind": "secret", "folder": "secrets", "placeholders": "environment"},
        {"kind": "environment", "folder": "environments", "placeholders": "terraform"},
        {"kind": "file", "folder": "manifests"},
        {"kind": "pipeline", "files": ["pipelines/cd.yaml", "pipelines/ci.yaml"]},
        {"kind": "trigger", "folder": "triggers"},
    ],
    "fileStore": {"folder": "manifests", "usage": "MANIFEST_FILE"},
    "terraform": {"environments/dev.yaml": "infra/dev"},
    "variables": {"module": "infra/dev", "values": {"region": "aws_region"}},
    "placeholders": [{"name": "TOKEN", "description": "Reads the repository", "secret": True}],
}
FILES = {
    "organization.yaml": "organization: {identifier: org, name: Org}",
    "project.yaml": "project: {identifier: proj, orgIdentifier: org, name: Proj}",
    "secrets/token.yaml": "secret: {identifier: token, spec: {value: '${TOKEN}'}}",
    "environments/dev.yaml": "environment: {identifier: dev, name: dev, type: PreProduction,\n"
    "  variables: [{name: vpc, value: '${terraform.vpc_id}'}]}",
    "manifests/ecs/task.yaml": "family: x\n",
    "pipelines/ci.yaml": "pipeline: {identifier: ci}",
    "pipelines/cd.yaml": "pipeline: {identifier: cd}",
    "triggers/push.yaml": "trigger: {identifier: push, pipelineIdentifier: ci}",
}
VALUES = SyncValues(
    environment={"TOKEN": "t0ken"},
    outputs={"infra/dev": {"vpc_id": "vpc-1", "aws_region": "us-east-1"}},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {**FILES, "sync.yaml": yaml.safe_dump(CONFIG)}.items():
        path = tmp_path / "harness" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "harness"


Sync = Callable[[], list[str]]


def synced(folder: Path, harness: HarnessDouble, values: SyncValues = VALUES) -> list[str]:
    done = Syncer(harness.client(), folder, line=lambda _line: None).sync(values)
    return [f"{entity.kind} {entity.identifier} {entity.action}" for entity in done]


def test_entities_are_written_in_the_order_of_sync_yaml(folder: Path) -> None:
    harness = HarnessDouble()
    assert synced(folder, harness) == [
        "organization org created",
        "project proj created",
        "variable region created",
        "secret token created",
        "environment dev created",
        "file ecs created",
        "file ecs_task_yaml created",
        "pipeline cd created",
        "pipeline ci created",
        "trigger push created",
    ]
    assert all(call.query["accountIdentifier"] == "acc" for call in harness.calls)
    assert {call.headers["x-api-key"] for call in harness.calls} == {"pat.acc.x"}


def test_repeating_updates_what_exists(folder: Path) -> None:
    harness = HarnessDouble(existing=True)
    assert {row.rpartition(" ")[2] for row in synced(folder, harness)} == {"updated"}
    assert harness.made()[:2] == ["POST /ng/api/organizations", "PUT /ng/api/organizations/org"]
    assert "PUT /ng/api/environmentsV2" in harness.made(), "this one names itself in its body"
    assert "PUT /pipeline/api/triggers/push" in harness.made()
    trigger = next(call for call in harness.calls if "triggers" in call.path)
    assert trigger.query["targetIdentifier"] == "ci"


def test_placeholders_are_filled_from_environment_and_terraform(folder: Path) -> None:
    harness = HarnessDouble()
    synced(folder, harness)
    secret = next(call for call in harness.calls if "secrets" in call.path).json()
    assert secret["secret"]["spec"]["value"] == "t0ken"
    sent = next(call for call in harness.calls if "environmentsV2" in call.path).json()
    assert yaml.safe_load(sent["yaml"])["environment"]["variables"][0]["value"] == "vpc-1"
    assert sent["type"] == "PreProduction"


def test_files_keep_their_folders_in_the_file_store(folder: Path) -> None:
    harness = HarnessDouble()
    synced(folder, harness)
    forms = [call.body.decode() for call in harness.calls if "file-store" in call.path]
    assert len(forms) == 2
    assert "FOLDER" in forms[0]
    assert 'name="parentIdentifier"\r\n\r\nRoot' in forms[0]
    assert 'name="parentIdentifier"\r\n\r\necs\r\n' in forms[1]
    assert "family: x" in forms[1]


def test_missing_value_names_file_placeholder_and_mend(folder: Path) -> None:
    harness = HarnessDouble()
    with pytest.raises(UsageError) as refused:
        synced(folder, harness, SyncValues(environment={}, outputs=VALUES.outputs))
    assert refused.value.message == "secrets/token.yaml: the placeholder ${TOKEN} has no value."
    hint = "Set the environment variable TOKEN: Reads the repository."
    assert refused.value.hint == hint
    assert harness.calls == [], "nothing is written before everything is known"


@pytest.mark.parametrize(
    ("outputs", "said", "hint"),
    [
        ({}, "the Terraform outputs of infra/dev are missing", "terraform apply in infra/dev"),
        ({"infra/dev": {"aws_region": "x"}}, "${terraform.vpc_id} has no value", "apply"),
        ({"infra/dev": {"vpc_id": "x"}}, "infra/dev has no aws_region", ""),
    ],
    ids=["not applied", "no such output", "no such output for a variable"],
)
def test_missing_terraform_output_is_named(
    folder: Path, outputs: dict[str, dict[str, str]], said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as refused:
        synced(folder, HarnessDouble(), SyncValues(environment={"TOKEN": "x"}, outputs=outputs))
    assert said in refused.value.message
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("pipelines/ci.yaml", "pipeline:\n  a: [1\n", "pipelines/ci.yaml:3:1: this is no valid"),
        ("pipelines/ci.yaml", "- a\n", "pipelines/ci.yaml: this holds no YAML object"),
        ("secrets/token.yaml", "a: b: c\n", "secrets/token.yaml:1:5: this is no valid YAML"),
        ("sync.yaml", "entities: []\n", "organization: Field required"),
        ("sync.yaml", "entities: {", "sync.yaml:1"),
        ("project.yaml", "project: {name: x}", "the key identifier is missing"),
        ("organization.yaml", "org: {}", "the key organization is missing"),
    ],
)
def test_malformed_file_is_named_before_any_call(
    folder: Path, name: str, text: str, said: str
) -> None:
    (folder / name).write_text(text)
    harness = HarnessDouble()
    with pytest.raises(UsageError) as refused:
        synced(folder, harness)
    assert said in refused.value.message
    assert harness.calls == []


def test_entity_without_its_root_key_is_named(folder: Path) -> None:
    (folder / "triggers" / "push.yaml").write_text("triger: {}\n")
    with pytest.raises(UsageError, match=r"triggers/push.yaml: the key trigger is missing"):
        synced(folder, HarnessDouble())


def test_every_bad_key_of_sync_yaml_is_named_at_once(folder: Path) -> None:
    config = {**CONFIG, "entities": [{"kind": "secrets", "folder": "x"}, {"kind": "file"}], "x": 1}
    (folder / "sync.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UsageError) as refused:
        synced(folder, HarnessDouble())
    for path in ("entities.0.kind", "entities.1", "x: Extra"):
        assert path in refused.value.message


def test_missing_folder_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no .*sync.yaml") as refused:
        Syncer(HarnessDouble().client(), tmp_path, line=lambda _line: None)
    assert "--folder" in refused.value.hint


def test_refusal_of_the_api_names_the_file(folder: Path) -> None:
    answer = (400, {"code": "INVALID_REQUEST", "message": "no such connector"})
    harness = HarnessDouble(refuse={"/pipeline/api/pipelines/v2": answer})
    with pytest.raises(HarnessRefusedError) as refused:
        synced(folder, harness)
    assert refused.value.message.startswith("pipelines/cd.yaml: Harness refused POST")
    assert refused.value.message.endswith("no such connector")


@pytest.mark.parametrize(
    "value",
    ["plain", "000000000000", "1e5", "yes", "null", "a # b", "a: b", "'", '"', "{x}", "- y", ""],
)
@pytest.mark.parametrize("style", ["${X}", "'${X}'", "before-${X}"])
def test_filled_value_is_always_a_string(value: str, style: str) -> None:
    text = f"# kept where possible\na:\n  b: {style}\n  c: 1\n"
    said = yaml.safe_load(fill(text, "f.yaml", lambda _name: value))
    assert said == {"a": {"b": yaml.safe_load(style).replace("${X}", value), "c": 1}}


def test_text_stays_as_it_is_where_it_means_the_same() -> None:
    text = "# comment\na: ${X}   # why\n"
    assert fill(text, "f.yaml", lambda _name: "v") == "# comment\na: v   # why\n"
