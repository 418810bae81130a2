from typing import Any

import pytest
from sqlalchemy import Connection
from store_fixtures import NOW, SCOPE

from fake_harness.errors import HarnessError
from fake_harness.store import entities, files
from fake_harness.store.entities import EntityContent, EntityKey, EntityQuery, scoped_key


def key(identifier: Any = "x", kind: Any = "connector", **more: Any) -> Any:
    return EntityKey(**{"kind": kind, **SCOPE, "identifier": identifier, **more})


def named(name: str, **more: Any) -> Any:
    return EntityContent(name=name, **more)


def test_an_entity_is_read_as_it_was_written(connection: Connection) -> None:
    content = EntityContent(
        name="X", description="d", tags={"team": "a"}, body={"type": "Aws"}, yaml="a: 1\n"
    )
    entities.create(connection, key(), content, now=NOW)
    found = entities.require(connection, key())
    assert (found.name, found.description, found.tags) == ("X", "d", {"team": "a"})
    assert (found.body, found.yaml, found.version) == ({"type": "Aws"}, "a: 1\n", 0)
    assert found.created_at == NOW


def test_a_taken_key_is_a_duplicate_and_the_transaction_goes_on(connection: Connection) -> None:
    entities.create(connection, key(), named("first"), now=NOW)
    with pytest.raises(HarnessError) as refused:
        entities.create(connection, key(), named("second"), now=NOW)
    assert refused.value.code == "DUPLICATE_FIELD"
    assert entities.require(connection, key()).name == "first"


@pytest.mark.parametrize("other", [{"project": ""}, {"kind": "service"}, {"parent": "e"}])
def test_keys_differ_by_every_part(connection: Connection, other: Any) -> None:
    entities.create(connection, key(), named("one"), now=NOW)
    entities.create(connection, key(**other), named("two"), now=NOW)
    assert entities.require(connection, key()).name == "one"


def test_a_replacement_counts_versions_and_refuses_a_stale_one(connection: Connection) -> None:
    entities.create(connection, key(), named("one"), now=NOW)
    assert entities.replace(connection, key(), named("two"), now=NOW).version == 1
    with pytest.raises(HarnessError, match="changed by someone else"):
        entities.replace(connection, key(), named("three"), now=NOW, expected_version=0)


def test_what_is_missing_answers_not_found(connection: Connection) -> None:
    with pytest.raises(HarnessError) as missing:
        entities.require(connection, key())
    assert missing.value.code == "ENTITY_NOT_FOUND"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["alpha", "beta", "gamma"]),
        ({"search": "BET"}, ["beta"]),
        ({"search": "blue"}, ["alpha"]),
        ({"search": "100%"}, []),
        ({"tags": {"colour": "blue"}}, ["alpha"]),
        ({"body": {"type": "Aws"}}, ["alpha", "beta"]),
        ({"identifiers": ("gamma", "beta")}, ["beta", "gamma"]),
        ({"project": "other"}, []),
        ({"sort": "name", "descending": True}, ["gamma", "beta", "alpha"]),
    ],
)
def test_lists_filter(connection: Connection, filters: Any, expected: Any) -> None:
    for name, tags, kind in [
        ("alpha", {"colour": "blue"}, "Aws"),
        ("beta", {}, "Aws"),
        ("gamma", {}, "Github"),
    ]:
        content = EntityContent(name=name, tags=tags, body={"type": kind})
        entities.create(connection, key(name), content, now=NOW)
    page = entities.list_page(connection, EntityQuery(kind="connector", account="acc", **filters))
    assert [item.identifier for item in page.items] == expected
    assert page.total == len(expected)


def test_pages_do_not_overlap(connection: Connection) -> None:
    for number in range(5):
        entities.create(connection, key(f"c{number}"), named("c"), now=NOW)
    query = EntityQuery(kind="connector", account="acc")
    pages = [entities.list_page(connection, query, page=n, size=2) for n in range(3)]
    found = [item.identifier for page in pages for item in page.items]
    assert found == [f"c{number}" for number in range(5)]
    assert {page.total for page in pages} == {5}


@pytest.mark.parametrize(
    ("reference", "scope"),
    [("x", ("default", "demo")), ("org.x", ("default", "")), ("account.x", ("", ""))],
)
def test_references_name_their_scope(reference: Any, scope: Any) -> None:
    found = scoped_key("connector", reference, **SCOPE)
    assert (found.org, found.project, found.identifier) == (*scope, "x")


@pytest.mark.parametrize(
    ("reference", "content"),
    [
        ("/ecs/task.yaml", b"project"),
        ("ecs/task.yaml", b"project"),
        ("org:/ecs/task.yaml", b"org"),
        ("account:/ecs/task.yaml", b"account"),
        ("/nowhere", None),
    ],
)
def test_files_are_found_by_path_in_their_scope(
    connection: Connection, reference: Any, content: Any
) -> None:
    for scope, text in [
        ({}, b"project"),
        ({"project": ""}, b"org"),
        ({"org": "", "project": ""}, b"account"),
    ]:
        entity = entities.create(connection, key("f", "file", **scope), named("f"), now=NOW)
        files.write_content(connection, entity, path="/ecs/task.yaml", content=text)
    assert files.read_by_reference(connection, reference, **SCOPE) == content


def test_removing_a_project_removes_what_is_inside(connection: Connection) -> None:
    entities.create(connection, key("a"), named("a"), now=NOW)
    entities.create(connection, key("b", project="other"), named("b"), now=NOW)
    assert entities.remove_scope(connection, account="acc", org="default", project="demo") == 1
    assert entities.get(connection, key("b", project="other")) is not None
