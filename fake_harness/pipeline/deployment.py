"""The implicit nodes of a Deployment stage: its service, its infrastructure, their loops.

Several services or environments loop over the stage, as Harness does it: the values become
axes of a matrix, and the implicit steps read `<+matrix.service...>`.
Source: Harness docs, "Deploy multiple services and environments".
Unverified: `metadata.parallel` counts as true when it is absent.
"""

from collections.abc import Mapping, Sequence

from fake_harness.pipeline.plan import JsonObject, Strategy
from fake_harness.pipeline.spec import StageSpec

_SERVICE_KEYS = ("serviceRef", "serviceInputs", "useFromStage", "gitBranch")
_ENVIRONMENT_KEYS = (
    "environmentRef",
    "environmentInputs",
    "serviceOverrideInputs",
    "useFromStage",
    "gitBranch",
)


def service_step(stage: StageSpec) -> JsonObject:
    """Return the params of the Service step."""
    services = services_of(stage)
    if len(services) > 1:
        return _from_axis("service", ("serviceRef", "serviceInputs"), services)
    return {key: services[0][key] for key in _SERVICE_KEYS if key in services[0]}


def environment_step(stage: StageSpec) -> JsonObject:
    """Return the params of the Infrastructure step; one infrastructure is named."""
    targets = targets_of(stage)
    if len(targets) > 1:
        keys = (*_ENVIRONMENT_KEYS, "infrastructureDefinitions")
        return _from_axis("environment", keys, targets)
    return targets[0]


def _from_axis(axis: str, keys: Sequence[str], entries: Sequence[JsonObject]) -> JsonObject:
    used = [key for key in keys if any(key in entry for entry in entries)]
    return {key: f"<+matrix.{axis}.{key}>" for key in used}


def deployment_axes(stage: StageSpec) -> Strategy | None:
    """Return the loop of a stage with several services or targets, else None."""
    if stage.type != "Deployment":
        return None
    services, targets = services_of(stage), targets_of(stage)
    axes: dict[str, object] = {}
    if len(services) > 1:
        axes["service"] = _padded(services)
    if len(targets) > 1:
        axes["environment"] = _padded(targets)
    if not axes:
        return None
    together = _parallel(stage.params, "services") and _parallel(stage.params, "environments")
    return Strategy(kind="matrix", body=axes, max_concurrency=None if together else 1)


def _padded(entries: Sequence[JsonObject]) -> list[object]:
    """Give every entry every key, so that each `<+matrix...>` resolves in each iteration."""
    keys = list(dict.fromkeys(key for entry in entries for key in entry))
    return [{key: entry.get(key) for key in keys} for entry in entries]


def _parallel(params: JsonObject, key: str) -> bool:
    block = params.get(key)
    metadata = block.get("metadata") if isinstance(block, Mapping) else None
    return not isinstance(metadata, Mapping) or metadata.get("parallel") not in (False, "false")


def services_of(stage: StageSpec) -> list[JsonObject]:
    """Return the service blocks of a Deployment stage."""
    return _blocks(stage.params, "service")


def targets_of(stage: StageSpec) -> list[JsonObject]:
    """Return one block for each (environment, infrastructure) of a Deployment stage."""
    found: list[JsonObject] = []
    for block in _blocks(stage.params, "environment"):
        kept = {key: block[key] for key in _ENVIRONMENT_KEYS if key in block}
        many = block.get("infrastructureDefinitions")
        one = block.get("infrastructureDefinition")
        if isinstance(many, list) and many:
            found += [{**kept, "infrastructureDefinitions": [item]} for item in many]
        elif many is not None:
            found.append({**kept, "infrastructureDefinitions": many})
        elif one is not None:
            found.append({**kept, "infrastructureDefinitions": [one]})
        else:
            found.append(kept)
    return found


def _blocks(params: JsonObject, key: str) -> list[JsonObject]:
    one, many = params.get(key), params.get(f"{key}s")
    if isinstance(one, Mapping):
        return [one]
    values = many.get("values") if isinstance(many, Mapping) else None
    listed = values if isinstance(values, list) else []
    return [block for block in listed if isinstance(block, Mapping)] or [{}]
