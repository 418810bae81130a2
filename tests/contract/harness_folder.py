"""Small `harness/` folders for `sandbox sync`: what a pipeline needs and nothing else."""

from collections.abc import Mapping
from pathlib import Path

import yaml

ORG, PROJECT = "tests", "contract"
SCOPE = ("--org", ORG, "--project", PROJECT)
_OWNED = {"orgIdentifier": ORG, "projectIdentifier": PROJECT}


def write_folder(folder: Path, *kinds: str) -> Path:
    """Make a folder that syncs the named kinds, each from the folder of its name."""
    config = {
        "organization": "organization.yaml",
        "project": "project.yaml",
        "entities": [{"kind": kind, "folder": kind} for kind in kinds],
        "fileStore": {"folder": "file"},
    }
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
    put(folder, "sync.yaml", config)
    put(folder, "organization.yaml", {"organization": {"identifier": ORG, "name": "Tests"}})
    project = {"identifier": PROJECT, "orgIdentifier": ORG, "name": "Contract", "modules": []}
    put(folder, "project.yaml", {"project": project})
    return folder


def put(folder: Path, name: str, document: Mapping[str, object]) -> None:
    """Write one YAML file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))


def pipeline(identifier: str, stage: Mapping[str, object]) -> dict[str, object]:
    """A pipeline of one stage."""
    head = {"identifier": identifier, "name": identifier, **_OWNED}
    return {"pipeline": {**head, "stages": [{"stage": {"identifier": "s", "name": "s", **stage}}]}}


def custom_stage(step: Mapping[str, object]) -> dict[str, object]:
    """A Custom stage of one step."""
    return {"type": "Custom", "spec": {"execution": {"steps": [{"step": step}]}}}


def ci_stage(*steps: Mapping[str, object]) -> dict[str, object]:
    """A CI stage on the delegate, without a codebase."""
    spec = {
        "cloneCodebase": False,
        "platform": {"os": "Linux", "arch": "Amd64"},
        "runtime": {"type": "Docker", "spec": {}},
        "execution": {"steps": [{"step": step} for step in steps]},
    }
    return {"type": "CI", "spec": spec}


def shell_script(script: str) -> dict[str, object]:
    """A step that runs a Bash script on the delegate."""
    source = {"type": "Inline", "spec": {"script": script}}
    spec = {"shell": "Bash", "onDelegate": True, "source": source}
    step = {"identifier": "say", "name": "say", "type": "ShellScript", "timeout": "2m"}
    return {**step, "spec": spec}


def write_rolling_deployment(
    folder: Path, task: Mapping[str, object], service: Mapping[str, object]
) -> None:
    """Everything that an EcsRollingDeploy of cluster `c` needs; the pipeline is `deploy`."""
    write_folder(
        folder, "connector", "environment", "infrastructure", "file", "service", "pipeline"
    )
    put(folder, "file/ecs/task.yaml", task)
    put(folder, "file/ecs/service.yaml", service)
    connector = {
        "type": "Aws",
        "spec": {
            "credential": {"type": "InheritFromDelegate", "region": "us-east-1"},
            "executeOnDelegate": True,
        },
    }
    environment = {"type": "PreProduction", "tags": {}, "variables": []}
    infrastructure = {
        "environmentRef": "dev",
        "deploymentType": "ECS",
        "type": "ECS",
        "spec": {"connectorRef": "aws", "region": "us-east-1", "cluster": "c"},
        "allowSimultaneousDeployments": False,
    }
    manifests = [
        _manifest("task", "EcsTaskDefinition"),
        _manifest("service", "EcsServiceDefinition"),
    ]
    definition = {"type": "ECS", "spec": {"manifests": manifests}}
    for kind, root, identifier, rest in (
        ("connector", "connector", "aws", connector),
        ("environment", "environment", "dev", environment),
        ("infrastructure", "infrastructureDefinition", "ecs", infrastructure),
        ("service", "service", "app", {"serviceDefinition": definition}),
    ):
        head = {"identifier": identifier, "name": identifier, **_OWNED}
        put(folder, f"{kind}/{identifier}.yaml", {root: {**head, **rest}})
    put(folder, "pipeline/deploy.yaml", pipeline("deploy", _deployment_stage()))


def _manifest(name: str, kind: str) -> dict[str, object]:
    store = {"type": "Harness", "spec": {"files": [f"/ecs/{name}.yaml"]}}
    return {"manifest": {"identifier": name, "type": kind, "spec": {"store": store}}}


def _deployment_stage() -> dict[str, object]:
    step = {"identifier": "roll", "name": "roll", "type": "EcsRollingDeploy", "timeout": "10m"}
    rollback = {"identifier": "back", "name": "back", "type": "EcsRollingRollback", "timeout": "5m"}
    where = {
        "environmentRef": "dev",
        "deployToAll": False,
        "infrastructureDefinitions": [{"identifier": "ecs"}],
    }
    spec = {
        "deploymentType": "ECS",
        "service": {"serviceRef": "app"},
        "environment": where,
        "execution": {
            "steps": [{"step": {**step, "spec": {}}}],
            "rollbackSteps": [{"step": {**rollback, "spec": {}}}],
        },
    }
    strategy = {"onFailure": {"errors": ["AllErrors"], "action": {"type": "StageRollback"}}}
    return {"type": "Deployment", "spec": spec, "failureStrategies": [strategy]}
