"""Task packages: what a delegate is handed for a step. Nothing here has a secret's value.

Keys of a package (docs/architecture.md, "Delegate protocol"):

- `taskId`, `taskType` (the step type), `planExecutionId`, `nodeExecutionId`,
  `stageExecutionId`, `stageFqn`, `attempt`, `logBaseKey`, `timeoutSeconds`
- `workspaceId`: the stage's node execution id; steps of one stage share a workspace
- `params`: the step's `spec`, rendered; secrets are markers
- `connectors`: reference -> `{type, spec}`; each `...Ref` of a secret in `spec` is a marker
- `env`: variables of a CI step (`HARNESS_*`, `DRONE_*`, `CI_*`)
- `accountId`, `orgIdentifier`, `projectIdentifier`, `pipelineIdentifier`, `stepIdentifier`
- `secrets`: marker -> value; added by `store.markers.with_secrets` on handout

More keys of `params` for ECS steps:

- `manifests`: `[{identifier, type, content}]`, content rendered, `<+targetGroupArn>` literal
- `ecsTaskDefinitionArn`: of the service, or null
- `infra`: `{region, cluster, connectorRef, connector}`; `service`: `{identifier, name}`
- `rollbackData`: step type -> the `rollbackData` that the latest such step of the stage left
- `earlierOutputs`: step type -> the outputs of the latest such step of the stage

More keys of `params` for GitClone: `url`, `branch`, `tag`, `commitSha`, `prNumber`, `sourceBranch`,
`targetBranch`, `depth`, `cloneDirectory`, `username`, `token` (a marker); each null when unknown.
"""

from collections.abc import Iterator, Mapping, Sequence

from fake_harness.engine.ci_env import ci_environment
from fake_harness.engine.context import codebase_facts, resolve
from fake_harness.engine.failures import NodeFailedError
from fake_harness.engine.manifests import rendered_manifests
from fake_harness.engine.steps.port import StepContext
from fake_harness.pipeline.functors import secret_marker
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store import entities
from fake_harness.store.delegate_tasks import NewTask
from fake_harness.store.entities import EntityKind, scoped_key
from fake_harness.store.markers import SecretScope, missing_secrets
from fake_harness.store.node_executions import NodeExecution

_BUILT_IN_CONNECTORS = frozenset({"account.harnessImage", "harnessImage"})
_CONFIGURATION = "CONFIGURATION_FAILURE"
_ECS_STEPS = ("Ecs", "StandAloneTrafficShift")


def step_task(context: StepContext, *, withheld: frozenset[str] = frozenset()) -> NewTask:
    """Build the task of a step that a delegate runs, but for the params in `withheld`."""
    step_type = context.place.node.type
    params = {key: value for key, value in context.params.items() if key not in withheld}
    if step_type.startswith(_ECS_STEPS):
        params |= _ecs_params(context)
    if step_type == "GitClone":
        params |= _clone_params(context)
    return build_task(context, task_id=context.row.id, task_type=step_type, params=params)


def build_task(
    context: StepContext, *, task_id: str, task_type: str, params: JsonObject
) -> NewTask:
    """Build a task with its package.

    Raises:
        NodeFailedError: a connector or a secret that is named does not exist.
    """
    execution, row = context.execution, context.row
    connectors = _connectors(context, params)
    stage = context.scope.stage_row()
    package: dict[str, object] = {
        "taskId": task_id,
        "taskType": task_type,
        "accountId": execution.account,
        "orgIdentifier": execution.org,
        "projectIdentifier": execution.project,
        "pipelineIdentifier": execution.pipeline,
        "planExecutionId": execution.id,
        "nodeExecutionId": row.id,
        "stepIdentifier": row.identifier,
        "stageExecutionId": stage.id if stage else None,
        "stageFqn": stage.fqn if stage else None,
        "workspaceId": stage.id if stage else execution.id,
        "params": params,
        "connectors": connectors,
        "env": ci_environment(context) if stage and stage.type == "CI" else {},
        "timeoutSeconds": context.timeout_s,
        "logBaseKey": row.log_base_key,
        "attempt": row.attempt,
    }
    _require_secrets(context, package)
    return NewTask(
        id=task_id,
        account=execution.account,
        plan_execution_id=execution.id,
        node_execution_id=row.id,
        type=task_type,
        package=package,
        selectors=_selectors(context, params, connectors),
    )


def _ecs_params(context: StepContext) -> JsonObject:
    service_row = next((r for r in context.scope.stage_rows() if r.type == "Service"), None)
    if service_row is None:
        return {}
    infra = _outcome(context, "infra")
    service = _outcome(context, "service")
    return {
        "manifests": rendered_manifests(
            service_row.resolved_params.get("manifests"), context.scope
        ),
        "ecsTaskDefinitionArn": service_row.resolved_params.get("ecsTaskDefinitionArn"),
        "infra": {
            "region": infra.get("region"),
            "cluster": infra.get("cluster"),
            "connectorRef": infra.get("connectorRef"),
            "connector": infra.get("connectorRef"),
        },
        "service": {"identifier": service.get("identifier"), "name": service.get("name")},
        "rollbackData": {
            row.type: row.rollback_data for row in _earlier(context) if row.rollback_data
        },
        "earlierOutputs": {
            row.type: row.outcomes["output"]
            for row in _earlier(context)
            if "output" in row.outcomes
        },
    }


def _outcome(context: StepContext, name: str) -> JsonObject:
    try:
        found = context.scope.stage_outcome(name)
    except KeyError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _earlier(context: StepContext) -> Iterator[NodeExecution]:
    """Yield the stage's ECS steps so far in order of their end, so that the latest wins.

    Earlier attempts count: what was there before the first one is what a rollback restores.
    """
    rows = context.scope.stage_rows(all_attempts=True)
    rows = [row for row in rows if row.type.startswith(_ECS_STEPS)]
    done = [r for r in rows if r.ended_at is not None and r.id != context.row.id]
    done = [r for r in done if "output" in r.outcomes or r.rollback_data]
    return iter(sorted(done, key=lambda row: row.ended_at or context.now))


def _clone_params(context: StepContext) -> JsonObject:
    params = context.params
    build = params.get("build")
    kind = build.get("type") if isinstance(build, Mapping) else None
    spec = build.get("spec") if isinstance(build, Mapping) else None
    wanted: JsonObject = spec if isinstance(spec, Mapping) else {}
    implicit = context.place.node.fqn.endswith(".harness-git-clone")
    facts = codebase_facts(context.scope) if implicit else {}
    return {
        **_clone_source(context),
        "buildType": kind,
        "branch": facts.get("branch") or wanted.get("branch"),
        "tag": facts.get("tag") or wanted.get("tag"),
        "commitSha": facts.get("commitSha") or wanted.get("commitSha"),
        "prNumber": facts.get("prNumber") or wanted.get("number"),
        "sourceBranch": facts.get("sourceBranch"),
        "targetBranch": facts.get("targetBranch"),
        "depth": params.get("depth"),
        "cloneDirectory": params.get("cloneDirectory"),
    }


def _clone_source(context: StepContext) -> JsonObject:
    """Return `url`, `username` and `token` as the connector tells them."""
    reference = str(context.params.get("connectorRef") or "")
    if not reference:
        raise NodeFailedError("GitClone names no connector (connectorRef).", _CONFIGURATION)
    spec = _member(_connector(context, reference), "spec")
    if not spec.get("url"):
        raise NodeFailedError(f"Connector [{reference}] has no url.", _CONFIGURATION)
    url = str(spec["url"]).rstrip("/")
    repository = str(context.params.get("repoName") or "")
    if spec.get("type") == "Account" and repository:
        url = f"{url}/{repository}"
    account = _member(_member(_member(spec, "authentication"), "spec"), "spec")
    return {
        "url": url,
        "username": account.get("username") or account.get("usernameRef"),
        "token": account.get("tokenRef") or account.get("passwordRef"),
    }


def _member(value: JsonObject, name: str) -> JsonObject:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def _connectors(context: StepContext, params: JsonObject) -> dict[str, JsonObject]:
    found = dict.fromkeys(_references(params))
    return {
        reference: _connector(context, reference)
        for reference in found
        if reference not in _BUILT_IN_CONNECTORS
    }


def _references(value: object) -> Iterator[str]:
    """Yield every `connectorRef` in a JSON value."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "connectorRef" and isinstance(item, str) and item:
                yield item
            else:
                yield from _references(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _references(item)


def _connector(context: StepContext, reference: str) -> JsonObject:
    execution = context.execution
    key = scoped_key(
        EntityKind.CONNECTOR,
        reference,
        account=execution.account,
        org=execution.org,
        project=execution.project,
    )
    entity = entities.get(context.connection, key)
    if entity is None:
        message = f"Connector with identifier [{reference}] not found."
        raise NodeFailedError(message, _CONFIGURATION)
    spec = resolve(_with_markers(entity.body.get("spec")), context.scope)
    return {"type": entity.body.get("type"), "spec": spec}


def _with_markers(value: object, key: str = "") -> object:
    """Return a connector's spec with each reference to a secret as its marker."""
    if isinstance(value, Mapping):
        return {name: _with_markers(item, name) for name, item in value.items()}
    if isinstance(value, str) and value and key.endswith("Ref") and key != "connectorRef":
        return secret_marker(value)
    return value


def _require_secrets(context: StepContext, package: JsonObject) -> None:
    execution = context.execution
    scope = SecretScope(account=execution.account, org=execution.org, project=execution.project)
    missing = missing_secrets(context.connection, package, scope)
    if missing:
        raise NodeFailedError(
            f"Secret with identifier [{', '.join(missing)}] not found in project "
            f"[{execution.project}]. Create it, or correct the reference.",
            _CONFIGURATION,
        )


def _selectors(
    context: StepContext, params: JsonObject, connectors: Mapping[str, JsonObject]
) -> list[str]:
    """Gather the selectors of the step, all above it, and its connectors; all must match."""
    node = context.place.node
    gathered: list[object] = [*node.delegate_selectors]
    for parent in context.index.ancestors(node):
        gathered += parent.delegate_selectors
    specs = [connector["spec"] for connector in connectors.values()]
    for holder in (params, *specs):
        own = holder.get("delegateSelectors") if isinstance(holder, Mapping) else None
        gathered += own if isinstance(own, Sequence) and not isinstance(own, str) else []
    return list(dict.fromkeys(str(resolve(item, context.scope)) for item in gathered))
