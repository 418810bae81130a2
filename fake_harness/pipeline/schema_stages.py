"""Check the `spec` of a stage by its type; its steps are read elsewhere.

What the sandbox does differently from Harness is a warning, what it cannot do an error.
"""

from collections.abc import Mapping

from fake_harness.pipeline import schema_parts as parts
from fake_harness.pipeline.fields import (
    ANY,
    FLAG,
    TEXT,
    WHOLE,
    check_fields,
    check_value,
    choice,
    is_expression,
    list_of,
    map_of,
    object_of,
    required,
    table,
)
from fake_harness.pipeline.plan import JsonObject
from fake_harness.pipeline.problems import Report, Source
from fake_harness.pipeline.yaml_source import join

_CI_KEYS = frozenset(
    {
        "caching",
        "buildIntelligence",
        "cloneCodebase",
        "execution",
        "infrastructure",
        "platform",
        "runtime",
        "serviceDependencies",
        "sharedPaths",
        "slsa_provenance",
        "description",
    }
)
_CD_KEYS = frozenset(
    {
        "deploymentType",
        "environment",
        "environments",
        "execution",
        "gitOpsEnabled",
        "service",
        "services",
        "description",
    }
)
_CD_UNSUPPORTED = {
    "serviceConfig": "the legacy `serviceConfig` form",
    "infrastructure": "the legacy `infrastructure` form",
    "environmentGroup": "an environment group",
    "customDeploymentRef": "a custom deployment",
    "multiDeploymentConfig": "`multiDeploymentConfig`",
}
_SERVICE_DEPENDENCIES = list_of(
    object_of(
        identifier=required(TEXT),
        name=TEXT,
        type=required(choice("Service")),
        description=TEXT,
        spec=required(
            object_of(
                image=required(TEXT, by="semantic"),
                connectorRef=TEXT,
                imagePullPolicy=choice("Always", "Never", "IfNotPresent"),
                entrypoint=list_of(TEXT),
                args=list_of(TEXT),
                envVariables=map_of(TEXT),
                portBindings=map_of(TEXT),
                privileged=FLAG,
                runAsUser=WHOLE,
                resources=object_of(limits=object_of(memory=TEXT, cpu=TEXT)),
            ),
            by="semantic",
        ),
    )
)
_FROM_STAGE = object_of(stage=required(TEXT), metadata=TEXT)
_SERVICE_FIELDS = table(
    serviceRef=TEXT,
    serviceInputs=ANY,
    gitBranch=TEXT,
    useFromStage=_FROM_STAGE,
    disableArtifactValidation=FLAG,
)
_INFRASTRUCTURE = object_of(identifier=required(TEXT), inputs=ANY, metadata=TEXT, gitBranch=TEXT)
_ENVIRONMENT_FIELDS = table(
    environmentRef=TEXT,
    environmentInputs=ANY,
    serviceOverrideInputs=ANY,
    deployToAll=FLAG,
    infrastructureDefinition=_INFRASTRUCTURE,
    infrastructureDefinitions=list_of(_INFRASTRUCTURE),
    provisioner=ANY,
    gitBranch=TEXT,
    useFromStage=_FROM_STAGE,
)
_PIPELINE_FIELDS = table(
    org=required(TEXT),
    pipeline=required(TEXT),
    project=required(TEXT),
    inputs=ANY,
    inputSetReferences=list_of(TEXT),
    outputs=list_of(object_of(name=required(TEXT), value=required(TEXT))),
)
_CACHING_FIELDS = table(enabled=FLAG, key=TEXT, paths=list_of(TEXT), policy=TEXT, override=FLAG)


def check_stage_spec(kind: str, spec: JsonObject, path: str, report: Report) -> None:
    """Check the spec of a stage of type `kind`."""
    if kind == "CI":
        _check_ci(spec, path, report)
    elif kind == "Deployment":
        _check_deployment(spec, path, report)
    elif kind == "Pipeline":
        check_fields(spec, _PIPELINE_FIELDS, path, report, what="a Pipeline stage")
        return
    else:
        written = {key: value for key, value in spec.items() if value not in (None, [])}
        report.unknown_keys(path, written, {"execution", "description"})
    if not isinstance(spec.get("execution"), Mapping):
        refuser: Source = "semantic" if kind == "CI" else "schema"
        report.missing(path, "execution", f"a {kind} stage", source=refuser)


def _check_ci(spec: JsonObject, path: str, report: Report) -> None:
    report.unknown_keys(path, spec, _CI_KEYS)
    if "runtime" in spec and "infrastructure" in spec:
        report.error(
            join(path, "infrastructure"), "`runtime` and `infrastructure` exclude each other"
        )
    if "runtime" not in spec and "infrastructure" not in spec:
        report.missing(path, "runtime", "a CI stage (or `infrastructure`)", source="semantic")
    _check_infrastructure(spec, path, report)
    _check_platform(spec, path, report)
    for key, what in _CI_EXTRAS.items():
        block = spec.get(key)
        if isinstance(block, Mapping) and block.get("enabled") not in (None, False, "false"):
            report.warning(join(path, key), what)
    caching = spec.get("caching")
    if isinstance(caching, Mapping):
        check_fields(caching, _CACHING_FIELDS, join(path, "caching"), report, what="caching")
    services = spec.get("serviceDependencies")
    check_value(services, _SERVICE_DEPENDENCIES, join(path, "serviceDependencies"), report)


_CI_EXTRAS = {
    "caching": "Cache Intelligence is left out; use SaveCacheS3 and RestoreCacheS3",
    "buildIntelligence": "Build Intelligence is left out",
    "slsa_provenance": "SLSA provenance is not generated",
}


def _check_infrastructure(spec: JsonObject, path: str, report: Report) -> None:
    runtime, infrastructure = spec.get("runtime"), spec.get("infrastructure")
    if isinstance(runtime, Mapping):
        kind = runtime.get("type")
        if not is_expression(kind) and kind not in ("Cloud", "Docker"):
            at = join(path, "runtime.type")
            report.error(at, f"{kind!r} is not Cloud or Docker", source="schema")
    if isinstance(infrastructure, Mapping):
        kind = infrastructure.get("type")
        at = join(path, "infrastructure.type")
        if kind in ("KubernetesDirect", "VM"):
            report.warning(at, f"{kind} is not there: the stage runs on the delegate's host")
        elif kind == "UseFromStage" or (kind is None and "useFromStage" in infrastructure):
            return
        elif not is_expression(kind):
            report.error(at, f"infrastructure type {kind!r} is not supported by the sandbox")


def _check_platform(spec: JsonObject, path: str, report: Report) -> None:
    platform = spec.get("platform")
    system = platform.get("os") if isinstance(platform, Mapping) else None
    if system is not None and not is_expression(system) and system != "Linux":
        report.error(join(path, "platform.os"), f"{system} builds are not supported by the sandbox")


def _check_deployment(spec: JsonObject, path: str, report: Report) -> None:
    report.unknown_keys(path, spec, {*_CD_KEYS, *_CD_UNSUPPORTED})
    for key, what in _CD_UNSUPPORTED.items():
        if spec.get(key) is not None:
            report.error(join(path, key), f"{what} is not supported by the sandbox")
    kind = spec.get("deploymentType")
    at = join(path, "deploymentType")
    if kind is None:
        report.error(at, "a Deployment stage needs `deploymentType: ECS`")
    elif not is_expression(kind) and kind != "ECS":
        report.error(at, f"deployment type {kind} is not supported by the sandbox (ECS is)")
    if spec.get("gitOpsEnabled") is True:
        report.error(join(path, "gitOpsEnabled"), "GitOps is not supported by the sandbox")
    if "serviceConfig" not in spec:
        _check_services(spec, path, report)
        _check_environments(spec, path, report)


def _check_services(spec: JsonObject, path: str, report: Report) -> None:
    one, many = spec.get("service"), spec.get("services")
    if (one is None) == (many is None):
        report.error(join(path, "service"), "a Deployment stage needs one of `service`, `services`")
    for at, block in _entries(one, many, "service", path, report):
        check_fields(block, _SERVICE_FIELDS, at, report, what="a service")
        if block.get("serviceRef") is None and block.get("useFromStage") is None:
            report.missing(at, "serviceRef", "a service", source="semantic")


def _check_environments(spec: JsonObject, path: str, report: Report) -> None:
    one, many = spec.get("environment"), spec.get("environments")
    if "infrastructure" in spec or "environmentGroup" in spec:
        return
    if (one is None) == (many is None):
        message = "a Deployment stage needs one of `environment`, `environments`"
        report.error(join(path, "environment"), message, source="schema")
    for at, block in _entries(one, many, "environment", path, report):
        _check_environment(block, at, report)


def _check_environment(block: JsonObject, path: str, report: Report) -> None:
    check_fields(block, _ENVIRONMENT_FIELDS, path, report, what="an environment")
    if block.get("useFromStage") is not None:
        return
    if block.get("environmentRef") is None:
        report.missing(path, "environmentRef", "an environment", source="semantic")
    if block.get("deployToAll") in (True, "true"):
        at = join(path, "deployToAll")
        report.error(
            at, "`deployToAll: true` is not supported by the sandbox: name the infrastructures"
        )
    provisioner = block.get("provisioner")
    if isinstance(provisioner, Mapping) and provisioner.get("steps"):
        message = "provisioner steps are not supported by the sandbox"
        report.error(join(path, "provisioner"), message)
    one, many = block.get("infrastructureDefinition"), block.get("infrastructureDefinitions")
    if one is None and not many:
        report.missing(path, "infrastructureDefinitions", "an environment", source="semantic")


def _entries(
    one: object, many: object, what: str, path: str, report: Report
) -> list[tuple[str, JsonObject]]:
    """Return each service or environment block with its path."""
    if one is not None:
        at = join(path, what)
        return [(at, parts.mapping(one, at, report, what=what))]
    if many is None:
        return []
    at = join(path, f"{what}s")
    block = parts.mapping(many, at, report, what=f"{what}s")
    report.unknown_keys(at, block, {"values", "metadata", "description"})
    values = block.get("values")
    if is_expression(values):
        return []
    if not isinstance(values, list) or not values:
        report.missing(at, "values", f"{what}s", source="semantic")
        return []
    return [
        (f"{at}.values[{index}]", parts.mapping(item, f"{at}.values[{index}]", report, what=what))
        for index, item in enumerate(values)
    ]
