"""Manifests of a service: read once when the stage starts, rendered for each step."""

from collections.abc import Mapping, Sequence

from fake_harness.engine.context import NodeScope, resolve
from fake_harness.engine.failures import NodeFailedError
from fake_harness.engine.steps.port import StepContext
from fake_harness.pipeline.plan import JsonObject
from fake_harness.store.files import read_by_reference

_CONFIGURATION = "CONFIGURATION_FAILURE"


def read_manifests(context: StepContext, spec: JsonObject, scope: NodeScope) -> list[JsonObject]:
    """Return `{identifier, type, store, content}` for each file, expressions untouched."""
    found: list[JsonObject] = []
    declared = spec.get("manifests")
    for item in declared if isinstance(declared, Sequence) else ():
        manifest = item.get("manifest", item)
        store = _store(manifest, scope)
        known = {"identifier": manifest.get("identifier"), "type": manifest.get("type")}
        contents = _contents(context, str(manifest.get("identifier")), store)
        found += [{**known, "store": store, "content": content} for content in contents]
    return found


def rendered_manifests(manifests: object, scope: NodeScope) -> list[JsonObject]:
    """Return `{identifier, type, content}` with expressions resolved in `scope`.

    `<+targetGroupArn>` stays as it is: the blue/green step replaces it.
    """
    return [
        {
            "identifier": item["identifier"],
            "type": item["type"],
            "content": str(resolve(str(item["content"]), scope)),
        }
        for item in (manifests if isinstance(manifests, Sequence) else ())
    ]


def _store(manifest: JsonObject, scope: NodeScope) -> object:
    """Return the store; an inline content waits for the step that uses it."""
    spec = manifest.get("spec")
    store = spec.get("store") if isinstance(spec, Mapping) else None
    inline = isinstance(store, Mapping) and store.get("type") == "Inline"
    return store if inline else resolve(store, scope)


def _contents(context: StepContext, identifier: str, store: object) -> list[str]:
    kind = store.get("type") if isinstance(store, Mapping) else None
    spec = store.get("spec") if isinstance(store, Mapping) else None
    if not isinstance(spec, Mapping):
        raise NodeFailedError(f"Manifest [{identifier}] has no store.", _CONFIGURATION)
    if kind == "Inline":
        return [str(spec.get("content", ""))]
    if kind == "Harness":
        return [_file(context, identifier, str(path)) for path in spec.get("files") or ()]
    raise NodeFailedError(
        f"Manifest [{identifier}]: store type [{kind}] is not implemented; supported: Harness "
        "(file store), Inline.",
        _CONFIGURATION,
    )


def _file(context: StepContext, identifier: str, reference: str) -> str:
    execution = context.execution
    content = read_by_reference(
        context.connection,
        reference,
        account=execution.account,
        org=execution.org,
        project=execution.project,
    )
    if content is None:
        message = f"Manifest [{identifier}]: file [{reference}] is not in the file store."
        raise NodeFailedError(message, _CONFIGURATION)
    return content.decode()
