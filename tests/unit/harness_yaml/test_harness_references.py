"""What one file of `harness/` names, another one (or Terraform) really has."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from harness_files import (
    ENVIRONMENT_PLACEHOLDER,
    HARNESS,
    ROOT,
    ROOT_KEYS,
    TERRAFORM_PLACEHOLDER,
    all_files,
    entities,
    entity_files,
    load,
    named,
    stages,
    values,
)

from sandbox.environments import REDIRECTIONS
from sandbox.local_values import local_placeholders
from sandbox.settings import Settings

SYNC = load(HARNESS / "sync.yaml")
SECRET_KEYS = ("tokenRef", "accessKeyRef", "secretKeyRef", "encryptedWebhookSecretIdentifier")


def deployments() -> Iterator[tuple[str, str, str, str]]:
    """Yield stage, service, environment and infrastructure of every Deployment stage."""
    for pipeline in entities("pipelines").values():
        for stage in stages(pipeline):
            if stage["type"] != "Deployment":
                continue
            (service,) = values(stage, "serviceRef")
            (environment,) = values(stage, "environmentRef")
            (infrastructures,) = values(stage, "infrastructureDefinitions")
            assert isinstance(infrastructures, list)
            (infrastructure,) = infrastructures
            yield (
                str(stage["identifier"]),
                str(service),
                str(environment),
                str(infrastructure["identifier"]),
            )


DEPLOYMENTS = sorted(deployments())


def manifest_files(service: str) -> list[Path]:
    """Return the local files behind the file-store paths of a service."""
    usage = SYNC["fileStore"]
    assert isinstance(usage, dict)
    paths = [
        str(path)
        for files in values(entities("services")[service], "files")
        if isinstance(files, list)
        for path in files
    ]
    assert paths
    return [HARNESS / str(usage["folder"]) / path.removeprefix("/") for path in paths]


def environment_variables(environment: str) -> set[str]:
    found = entities("environments")[environment]["variables"]
    assert isinstance(found, list)
    return {variable["name"] for variable in found}


def stage_text(identifier: str) -> str:
    for pipeline in entities("pipelines").values():
        for stage in stages(pipeline):
            if stage["identifier"] == identifier:
                return yaml.safe_dump(stage, width=10_000)
    raise AssertionError(identifier)


def terraform_keys(module: str) -> set[str]:
    text = (ROOT / module / "outputs.tf").read_text()
    block = text.split('output "harness_variables"')[1].split("value = {")[1].split("\n  }")[0]
    return set(re.findall(r"^\s+([a-z0-9_]+)\s+=", block, re.MULTILINE))


@pytest.mark.parametrize(("stage", "service", "environment", "infrastructure"), DEPLOYMENTS)
def test_deployment_names_entities_that_exist(
    stage: str, service: str, environment: str, infrastructure: str
) -> None:
    assert service in entities("services")
    assert environment in entities("environments")
    assert entities("infrastructures")[infrastructure]["environmentRef"] == environment


@pytest.mark.parametrize(("stage", "service", "environment", "infrastructure"), DEPLOYMENTS)
def test_environment_defines_every_variable_that_a_deployment_reads(
    stage: str, service: str, environment: str, infrastructure: str
) -> None:
    texts = [
        stage_text(stage),
        yaml.safe_dump(entities("services")[service], width=10_000),
        yaml.safe_dump(entities("infrastructures")[infrastructure], width=10_000),
        *(path.read_text() for path in manifest_files(service)),
    ]
    read = set().union(*(named("env.variables", text) for text in texts))
    assert read
    assert read <= environment_variables(environment)


@pytest.mark.parametrize("environment", sorted(entities("environments")))
def test_every_variable_of_an_environment_is_read(environment: str) -> None:
    used: set[str] = set()
    for stage, service, where, infrastructure in DEPLOYMENTS:
        if where != environment:
            continue
        used |= named("env.variables", stage_text(stage))
        used |= named("env.variables", str(entities("infrastructures")[infrastructure]))
        for path in manifest_files(service):
            used |= named("env.variables", path.read_text())
    assert environment_variables(environment) == used


@pytest.mark.parametrize("service", sorted(entities("services")))
def test_manifests_of_service_exist_and_are_yaml(service: str) -> None:
    for path in manifest_files(service):
        assert path.is_file(), path
        load(path)


@pytest.mark.parametrize("path", all_files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_connectors_secrets_and_project_variables_exist(path: Path) -> None:
    document = load(path)
    assert set(map(str, values(document, "connectorRef"))) <= set(entities("connectors"))
    for key in SECRET_KEYS:
        assert set(map(str, values(document, key))) <= set(entities("secrets"))
    variables = SYNC["variables"]
    assert isinstance(variables, dict)
    assert named("variable", path.read_text()) <= set(variables["values"])


def test_every_pipeline_that_is_named_exists() -> None:
    known = set(entities("pipelines"))
    for trigger in entities("triggers").values():
        assert trigger["pipelineIdentifier"] in known
    for input_set in entities("inputsets").values():
        pipeline = input_set["pipeline"]
        assert isinstance(pipeline, dict)
        assert pipeline["identifier"] in known
    for pipeline in entities("pipelines").values():
        for stage in stages(pipeline):
            if stage["type"] == "Pipeline":
                spec = stage["spec"]
                assert isinstance(spec, dict)
                assert spec["pipeline"] in known


def test_terraform_placeholders_are_outputs_of_their_module() -> None:
    modules = SYNC["terraform"]
    assert isinstance(modules, dict)
    assert set(modules) == {f"environments/{p.name}" for p in entity_files("environments")}
    for name, module in modules.items():
        wanted = set(TERRAFORM_PLACEHOLDER.findall((HARNESS / name).read_text())) - {"key"}
        assert wanted
        assert wanted <= terraform_keys(module)


def test_project_variables_are_outputs_of_their_module() -> None:
    variables = SYNC["variables"]
    assert isinstance(variables, dict)
    assert set(variables["values"].values()) <= terraform_keys(variables["module"])


def test_no_placeholder_has_the_name_of_a_variable_that_the_switch_takes_away() -> None:
    """`sandbox sync` would ask for it in vain, or upload what is the caller's own."""
    placeholders = SYNC["placeholders"]
    assert isinstance(placeholders, list)
    assert {row["name"] for row in placeholders} & set(REDIRECTIONS) == set()


def test_sandbox_fills_every_placeholder_itself(tmp_path: Path) -> None:
    placeholders = SYNC["placeholders"]
    assert isinstance(placeholders, list)
    filled = local_placeholders(Settings(home=tmp_path))
    assert {row["name"] for row in placeholders} == set(filled)


def test_environment_placeholders_are_declared_and_only_where_allowed() -> None:
    placeholders = SYNC["placeholders"]
    assert isinstance(placeholders, list)
    declared = {placeholder["name"] for placeholder in placeholders}
    used: set[str] = set()
    for path in all_files():
        found = set(ENVIRONMENT_PLACEHOLDER.findall(path.read_text()))
        used |= found if path.parent.name in {"connectors", "secrets"} else set()
        if path.parent.name not in {"connectors", "secrets", "pipelines"}:
            assert not found, path
    assert used == declared


def test_sync_lists_every_folder_and_pipeline() -> None:
    listed = SYNC["entities"]
    assert isinstance(listed, list)
    folders = {entry["folder"] for entry in listed if "folder" in entry}
    assert folders == {*ROOT_KEYS, "manifests"} - {"pipelines"}
    (pipelines,) = (entry["files"] for entry in listed if "files" in entry)
    assert set(pipelines) == {f"pipelines/{path.name}" for path in entity_files("pipelines")}


def test_blue_green_manifest_leaves_the_target_group_to_harness() -> None:
    (definition,) = (p for p in manifest_files("backend_blue_green") if "service" in p.name)
    balancers = load(definition)["loadBalancers"]
    assert isinstance(balancers, list)
    assert [b["targetGroupArn"] for b in balancers] == ["<+targetGroupArn>"]


@pytest.mark.parametrize("service", sorted(entities("services")))
def test_service_exposes_the_container_and_port_of_its_task(service: str) -> None:
    task, definition = sorted(manifest_files(service), key=lambda p: "service" in p.name)
    container = only(load(task), "containerDefinitions")
    balancer = only(load(definition), "loadBalancers")
    assert balancer["containerName"] == container["name"]
    assert balancer["containerPort"] == only(container, "portMappings")["containerPort"]


def only(node: dict[str, object], key: str) -> dict[str, object]:
    listed = node[key]
    assert isinstance(listed, list)
    (item,) = listed
    assert isinstance(item, dict)
    return item
