"""What Harness lacks: a key that works, connectors that nobody brings, delegates that listen."""

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.errors import EnvironmentNotReadyError
from sandbox.harness_client import HarnessClient, HarnessRefusedError
from sandbox.switch.preflight.line import Line, blocked, ok
from sandbox.switch.preflight.needs import Needs, walk

_CHECK = "Harness"
_NOT_FOUND = 404
_REFUSALS = {401, 403}


def check_harness(client: HarnessClient, needs: Needs) -> list[Line]:
    """Ask Harness for what the entities of the folder need and do not bring."""
    try:
        client.call("GET", "/ng/api/organizations", query={"pageIndex": 0, "pageSize": 1})
    except HarnessRefusedError as error:
        if error.status not in _REFUSALS:
            raise
        mend = "Make a key in your profile, and export HARNESS_PLATFORM_API_KEY."
        return [blocked(_CHECK, f"account {client.account_id}: {error.message}", mend)]
    except EnvironmentNotReadyError as error:
        return [blocked(_CHECK, error.message, "Check HARNESS_ENDPOINT and the network.")]
    first = ok(_CHECK, f"account {client.account_id} at {client.endpoint}")
    return [first, *_connectors(client, needs), *_delegates(client, needs)]


def foreign_connectors(needs: Needs) -> frozenset[str]:
    """Return references to connectors that are not in the folder itself."""
    own = {
        document["connector"].get("identifier")
        for document in needs.harness.values()
        if isinstance(document.get("connector"), Mapping)
    }
    named = {
        value
        for node in _nodes(needs)
        for key, value in node.items()
        if key.lower().endswith("connectorref") and isinstance(value, str)
    }
    return frozenset(name for name in named if name and "<+" not in name and name not in own)


def needs_delegate(needs: Needs) -> bool:
    """Tell whether something in the folder runs on a delegate of one's own."""
    return any(
        node.get("executeOnDelegate") is True
        or node.get("onDelegate") is True
        or node.get("type") == "InheritFromDelegate"
        for node in _nodes(needs)
    )


def selectors(needs: Needs) -> frozenset[str]:
    """Return the delegate selectors that the folder names."""
    found = [node.get("delegateSelectors") for node in _nodes(needs)]
    return frozenset(
        str(name) for row in found if isinstance(row, list) for name in row if "<+" not in str(name)
    )


def _connectors(client: HarnessClient, needs: Needs) -> list[Line]:
    lines = []
    for reference in sorted(foreign_connectors(needs)):
        scope, _, name = reference.rpartition(".")
        try:
            client.call("GET", f"/ng/api/connectors/{name}", query=_scope(scope, needs))
        except HarnessRefusedError as error:
            mend = "Make it in Harness, or put it into the folder's connectors."
            lines.append(blocked(f"connector: {reference}", error.message, mend))
        else:
            lines.append(ok(f"connector: {reference}", "is there"))
    return lines


def _scope(scope: str, needs: Needs) -> dict[str, object]:
    project: Mapping[str, Any] = needs.harness.get("project.yaml", {}).get("project", {})
    org, identifier = project.get("orgIdentifier"), project.get("identifier")
    if scope == "account":
        return {}
    if scope == "org":
        return {"orgIdentifier": org}
    return {"orgIdentifier": org, "projectIdentifier": identifier}


def _delegates(client: HarnessClient, needs: Needs) -> list[Line]:
    wanted = selectors(needs)
    if not wanted and not needs_delegate(needs):
        return []
    rows = client.call("POST", "/ng/api/delegate-setup/listDelegates", body={}) or []
    there = [row for row in rows if row.get("connected") or row.get("activelyConnected")]
    mend = (
        "Install one in the account (Helm or Docker, Harness's delegate guide), with a task role "
        "that may do what the steps call."
    )
    if not there:
        return [blocked("delegate", f"none of {len(rows)} is connected", mend)]
    tags = {str(tag) for row in there for tag in (*row.get("tags", ()), row.get("name", ""))}
    missing = sorted(wanted - tags)
    if missing:
        detail = f"no connected one has the tag {', '.join(missing)}"
        return [blocked("delegate", detail, "Add the tag to a delegate (DELEGATE_TAGS).")]
    return [ok("delegate", f"{len(there)} connected: {', '.join(str(r['name']) for r in there)}")]


def _nodes(needs: Needs) -> Iterator[Mapping[str, Any]]:
    for document in needs.harness.values():
        yield from walk(document)
