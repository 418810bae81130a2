from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.repository import InMemoryUserRepository
from app.settings import Settings

MARIE = {"name": "Marie Curie", "email": "marie@example.com", "role": "admin"}


def create(client: FlaskClient, **changes: object) -> str:
    answer = client.post("/api/users", json={**MARIE, **changes})
    assert answer.status_code == 201, answer.get_json()
    return str(answer.get_json()["id"])


def test_a_fresh_store_lists_its_seed_users(client: FlaskClient) -> None:
    body = client.get("/api/users").get_json()
    assert body["total"] == len(body["items"]) == 4
    assert body["items"][0]["email"] == "ada@example.com"


def test_a_created_user_is_found_at_its_location(client: FlaskClient) -> None:
    answer = client.post("/api/users", json=MARIE)
    assert answer.status_code == 201
    found = client.get(answer.headers["Location"]).get_json()
    assert found == answer.get_json()
    assert {key: found[key] for key in MARIE} == MARIE


def test_the_role_is_viewer_unless_given(client: FlaskClient) -> None:
    answer = client.post("/api/users", json={"name": "Marie", "email": "m@example.com"})
    assert answer.get_json()["role"] == "viewer"


def test_put_replaces_every_field(client: FlaskClient) -> None:
    user_id = create(client)
    body = client.put(
        f"/api/users/{user_id}", json={"name": "M. Curie", "email": "mc@example.com"}
    ).get_json()
    assert (body["name"], body["email"], body["role"]) == ("M. Curie", "mc@example.com", "viewer")
    assert client.get(f"/api/users/{user_id}").get_json() == body


def test_patch_changes_only_what_it_names(client: FlaskClient) -> None:
    user_id = create(client)
    body = client.patch(f"/api/users/{user_id}", json={"name": "Maria"}).get_json()
    assert (body["name"], body["email"], body["role"]) == ("Maria", MARIE["email"], "admin")


def test_a_deleted_user_is_gone(client: FlaskClient) -> None:
    user_id = create(client)
    answer = client.delete(f"/api/users/{user_id}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert client.get(f"/api/users/{user_id}").status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_an_unknown_user_is_404(client: FlaskClient, method: str) -> None:
    answer = client.open("/api/users/nobody", method=method, json=MARIE)
    assert answer.status_code == 404
    assert answer.get_json()["error"]["code"] == "user_not_found"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"email": ""}, "email"),
        ({"email": "marie"}, "email"),
        ({"email": "marie@example"}, "email"),
        ({"email": "a b@example.com"}, "email"),
        ({"email": "m@" + "x" * 260 + ".com"}, "email"),
        ({"role": "owner"}, "role"),
        ({"role": None}, "role"),
        ({"id": "mine"}, "id"),
    ],
    ids=str,
)
def test_a_bad_field_is_422_and_named(
    client: FlaskClient, change: dict[str, object], field: str
) -> None:
    answer = client.post("/api/users", json={**MARIE, **change})
    assert answer.status_code == 422
    assert list(answer.get_json()["error"]["fields"]) == [field]


def test_all_bad_fields_are_named_at_once(client: FlaskClient) -> None:
    fields = client.post("/api/users", json={"role": "x"}).get_json()["error"]["fields"]
    assert set(fields) == {"name", "email", "role"}


def test_an_email_belongs_to_one_user_whatever_its_case(client: FlaskClient) -> None:
    create(client)
    answer = client.post("/api/users", json={**MARIE, "email": "MARIE@example.com"})
    assert answer.status_code == 409
    assert "email" in answer.get_json()["error"]["fields"]


def test_a_user_may_keep_its_own_email(client: FlaskClient) -> None:
    user_id = create(client)
    assert client.put(f"/api/users/{user_id}", json=MARIE).status_code == 200


def test_a_user_may_not_take_the_email_of_another(client: FlaskClient) -> None:
    user_id = create(client)
    answer = client.patch(f"/api/users/{user_id}", json={"email": "ada@example.com"})
    assert answer.status_code == 409


def test_a_full_store_says_so() -> None:
    client = create_app(Settings(), InMemoryUserRepository(capacity=1)).test_client()
    create(client)
    answer = client.post("/api/users", json={**MARIE, "email": "second@example.com"})
    assert answer.status_code == 507
    assert answer.get_json()["error"]["code"] == "store_full"


@pytest.mark.parametrize(
    ("query", "emails", "total"),
    [
        ("q=GRACE", ["grace@example.com"], 1),
        ("q=radia@", ["radia@example.com"], 1),
        ("q=nobody", [], 0),
        ("limit=1&offset=1", ["grace@example.com"], 4),
        ("offset=9", [], 4),
    ],
)
def test_a_list_is_searched_and_paged(
    client: FlaskClient, query: str, emails: list[str], total: int
) -> None:
    body = client.get(f"/api/users?{query}").get_json()
    assert [user["email"] for user in body["items"]] == emails
    assert body["total"] == total


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=201", "offset=-1", "limit=²"])
def test_a_bad_page_is_422(client: FlaskClient, query: str) -> None:
    assert client.get(f"/api/users?{query}").status_code == 422
