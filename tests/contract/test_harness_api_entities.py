"""Entities over HTTP: the same promises for every kind, in the shapes that clients parse."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from harness_api_server import ACCOUNT, KEY, Api, api_server, start_afresh

ENVIRONMENT = "environment: {identifier: dev, name: dev, type: PreProduction}"
INFRASTRUCTURE = """infrastructureDefinition:
  identifier: ecs
  name: ecs
  environmentRef: dev
  deploymentType: ECS
  type: ECS
  spec: {connectorRef: aws, region: us-east-1, cluster: c}
"""
SERVICE = "service: {identifier: shop, name: shop, serviceDefinition: {type: ECS, spec: {}}}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_server(tmp_path_factory.mktemp("harness")) as running:
        yield running


@pytest.fixture
def api(server: Api) -> Api:
    start_afresh(server)
    return server


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How one kind is created, found and changed."""

    path: str
    body: Any
    member: str
    put_path: str = ""
    name_at: tuple[str, ...] = ()
    query: Any = None
    needs: tuple[tuple[str, Any], ...] = ()

    @property
    def item(self) -> str:
        return f"{self.path}/{self.body[self.member]['identifier'] if self.wrapped else self.body['identifier']}"

    @property
    def wrapped(self) -> bool:
        return self.member in self.body

    def renamed(self) -> Any:
        body = json.loads(json.dumps(self.body))
        inner = body[self.member] if self.wrapped else body
        inner["description"] = "changed"
        return body


KINDS = {
    "connector": Kind(
        path="/ng/api/connectors",
        member="connector",
        put_path="/ng/api/connectors",
        body={
            "connector": {
                "identifier": "aws",
                "name": "AWS",
                "type": "Aws",
                "orgIdentifier": "shop",
                "projectIdentifier": "web",
                "tags": {"team": "a"},
                "spec": {"credential": {"type": "InheritFromDelegate"}, "unknownKey": 1},
            }
        },
    ),
    "secret": Kind(
        path="/ng/api/v2/secrets",
        member="secret",
        body={
            "secret": {
                "identifier": "token",
                "name": "token",
                "type": "SecretText",
                "orgIdentifier": "shop",
                "projectIdentifier": "web",
                "spec": {
                    "secretManagerIdentifier": "harnessSecretManager",
                    "valueType": "Inline",
                    "value": "s3cr3t-v4lue",
                },
            }
        },
    ),
    "variable": Kind(
        path="/ng/api/variables",
        member="variable",
        put_path="/ng/api/variables",
        body={
            "variable": {
                "identifier": "region",
                "name": "region",
                "type": "String",
                "orgIdentifier": "shop",
                "projectIdentifier": "web",
                "spec": {"valueType": "FIXED", "fixedValue": "us-east-1"},
            }
        },
    ),
    "service": Kind(
        path="/ng/api/servicesV2",
        member="service",
        put_path="/ng/api/servicesV2",
        body={"identifier": "shop", "name": "shop", "yaml": SERVICE},
    ),
    "environment": Kind(
        path="/ng/api/environmentsV2",
        member="environment",
        put_path="/ng/api/environmentsV2",
        body={"identifier": "dev", "name": "dev", "type": "PreProduction", "yaml": ENVIRONMENT},
    ),
    "infrastructure": Kind(
        path="/ng/api/infrastructures",
        member="infrastructure",
        put_path="/ng/api/infrastructures",
        body={
            "identifier": "ecs",
            "name": "ecs",
            "environmentRef": "dev",
            "type": "ECS",
            "yaml": INFRASTRUCTURE,
        },
        query={"environmentIdentifier": "dev"},
    ),
    "organization": Kind(
        path="/ng/api/organizations",
        member="organization",
        body={"organization": {"identifier": "other", "name": "Other", "tags": {"a": "b"}}},
    ),
    "project": Kind(
        path="/ng/api/projects",
        member="project",
        body={"project": {"identifier": "api", "name": "Api", "orgIdentifier": "shop"}},
    ),
}


@pytest.mark.parametrize("gateway", ["", "/gateway"], ids=["bare", "gateway"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_entity_lives_from_create_to_delete(api: Api, kind: Kind, gateway: str) -> None:
    params = kind.query or {}
    made = api.data("POST", gateway + kind.path, json=kind.body, params=params)
    assert made[kind.member]["identifier"]

    read = api.data("GET", gateway + kind.item, params=params)
    assert read[kind.member] == made[kind.member]

    put = kind.put_path or kind.item
    api.data("PUT", gateway + put, json=kind.renamed(), params=params)
    assert api.data("GET", kind.item, params=params)[kind.member]["description"] == "changed"

    listed = api.data("GET", gateway + kind.path, params=params)["content"]
    identifiers = [item[kind.member]["identifier"] for item in listed]
    assert identifiers.count(made[kind.member]["identifier"]) == 1

    assert api.data("DELETE", gateway + kind.item, params=params) is True
    gone = api.refusal(404, "GET", gateway + kind.item, params=params)
    assert gone["code"] == "ENTITY_NOT_FOUND"
    assert api.refusal(404, "DELETE", kind.item, params=params)["code"] == "ENTITY_NOT_FOUND"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_second_create_of_the_same_identifier_is_a_duplicate(api: Api, kind: Kind) -> None:
    params = kind.query or {}
    api.data("POST", kind.path, json=kind.body, params=params)
    refused = api.refusal(400, "POST", kind.path, json=kind.body, params=params)
    assert refused["code"] == "DUPLICATE_FIELD"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_update_of_a_missing_entity_is_refused(api: Api, kind: Kind) -> None:
    put = kind.put_path or kind.item
    answer = api.call("PUT", put, json=kind.body, params=kind.query or {})
    assert answer.status_code in {400, 404}
    assert answer.json()["code"] in {"ENTITY_NOT_FOUND", "INVALID_REQUEST"}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"{}"])
def test_body_that_is_no_such_object_is_refused_with_an_envelope(
    api: Api, kind: Kind, body: bytes
) -> None:
    refused = api.refusal(400, "POST", kind.path, data=body, params=kind.query or {})
    assert refused["code"] == "INVALID_REQUEST"
    assert refused["responseMessages"][0]["message"] == refused["message"]


def test_secret_value_is_never_answered(api: Api) -> None:
    kind = KINDS["secret"]
    texts = [api.call("POST", kind.path, json=kind.body).text]
    texts += [api.call("GET", kind.item).text, api.call("GET", kind.path).text]
    assert not any("s3cr3t-v4lue" in text for text in texts)
    database = api.backend.settings.state_dir
    stored = b"".join(path.read_bytes() for path in database.glob("harness.db*"))
    assert b"s3cr3t-v4lue" not in stored


def test_secret_without_value_is_refused_and_an_update_keeps_the_old_one(api: Api) -> None:
    kind = KINDS["secret"]
    body = json.loads(json.dumps(kind.body))
    del body["secret"]["spec"]["value"]
    assert "spec.value" in api.refusal(400, "POST", kind.path, json=body)["message"]
    api.data("POST", kind.path, json=kind.body)
    assert api.data("PUT", kind.item, json=body)["secret"]["spec"]["value"] is None


def test_connectors_are_listed_by_several_types(api: Api) -> None:
    for name, sort in (("a", "Aws"), ("g", "Github"), ("d", "DockerRegistry")):
        inner = {"identifier": name, "name": name, "type": sort, "spec": {}}
        api.data("POST", "/ng/api/connectors", json={"connector": inner})

    def listed(body: Any) -> list[str]:
        page = api.data("POST", "/ng/api/connectors/listV2", json=body)
        return [item["connector"]["identifier"] for item in page["content"]]

    assert listed({"types": ["Aws", "Github"]}) == ["a", "g"]
    assert listed({"types": ["Github"]}) == ["g"]
    assert listed({}) == ["a", "g", "d"]


def test_infrastructure_answers_its_deployment_type_from_the_yaml(api: Api) -> None:
    kind = KINDS["infrastructure"]
    made = api.data("POST", kind.path, json=kind.body)["infrastructure"]
    assert (made["type"], made["deploymentType"]) == ("ECS", "ECS")
    assert made["yaml"] == INFRASTRUCTURE


def test_yaml_that_names_another_entity_than_its_request_is_refused(api: Api) -> None:
    body = {**KINDS["service"].body, "identifier": "shop2"}
    refused = api.refusal(400, "POST", "/ng/api/servicesV2", json=body)
    assert "differs" in refused["message"]


def test_pages_carry_their_totals(api: Api) -> None:
    for number in range(5):
        inner = {"identifier": f"v{number}", "name": f"v{number}", "type": "String", "spec": {}}
        api.data("POST", "/ng/api/variables", json={"variable": inner})
    page = api.data("GET", "/ng/api/variables", params={"pageIndex": 1, "pageSize": 2})
    assert (page["totalItems"], page["totalPages"], page["pageItemCount"]) == (5, 3, 2)
    assert [item["variable"]["identifier"] for item in page["content"]] == ["v2", "v3"]
    refused = api.refusal(400, "GET", "/ng/api/variables", params={"pageIndex": "x"})
    assert "whole number" in refused["message"]


def test_deleted_project_takes_everything_in_it_along(api: Api) -> None:
    kind = KINDS["connector"]
    api.data("POST", kind.path, json=kind.body)
    api.data("DELETE", "/ng/api/projects/web", scope={"orgIdentifier": "shop"})
    api.refusal(404, "GET", kind.item)


def test_file_store_keeps_folders_and_contents(api: Api) -> None:
    path = "/ng/api/file-store"
    folder = {"identifier": "ecs", "name": "ecs", "type": "FOLDER", "parentIdentifier": "Root"}
    api.data("POST", path, files={key: (None, value) for key, value in folder.items()})
    form = {"identifier": "task", "name": "task.yaml", "type": "FILE", "parentIdentifier": "ecs"}
    parts: Any = {key: (None, value) for key, value in form.items()}
    made = api.data("POST", path, files={**parts, "content": ("task.yaml", b"family: x\n")})
    assert made["path"] == "/ecs/task.yaml"
    assert api.call("GET", f"{path}/files/task/download").content == b"family: x\n"
    listed = api.data("POST", f"{path}/folder", json={"identifier": "ecs"})["children"]
    assert [item["identifier"] for item in listed] == ["task"]
    assert "not empty" in api.refusal(400, "DELETE", f"{path}/ecs")["message"]
    api.data("DELETE", f"{path}/task")
    api.data("DELETE", f"{path}/ecs")


@pytest.mark.parametrize("key", ["", "wrong", "pat.ünï"], ids=["missing", "wrong", "not ascii"])
def test_without_the_api_key_nothing_is_answered(api: Api, key: str) -> None:
    headers = {"x-api-key": key.encode()} if key else {"x-api-key": None}
    refused = api.refusal(401, "GET", "/ng/api/projects", headers=headers)
    assert refused["code"] == "INVALID_TOKEN"
    assert KEY not in json.dumps(refused)


def test_another_account_is_refused_wherever_it_is_named(api: Api) -> None:
    for path in ("/ng/api/projects", "/pipeline/api/approvals/x", "/log-service/blob"):
        refused = api.refusal(400, "GET", path, params={"accountIdentifier": "other"})
        assert "Account [other]" in refused["message"]
    refused = api.refusal(
        400,
        "GET",
        "/v1/orgs/shop/projects/web/pipelines",
        scope=None,
        params={"accountIdentifier": None},
        headers={"Harness-Account": "other"},
    )
    assert "Account [other]" in refused["message"]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_what_is_not_built_says_so_loudly(api: Api, method: str) -> None:
    refused = api.refusal(404, method, "/ng/api/freeze/list")
    assert f"NotImplemented: this sandbox has no {method} /ng/api/freeze/list" in refused["message"]
    assert api.refusal(404, "PATCH", "/ng/api/projects")["message"].startswith("NotImplemented")


def test_pages_of_other_sites_cannot_call_the_api(api: Api) -> None:
    headers = {"Origin": "https://evil.example"}
    for path in ("/ng/api/projects", "/ng/api/webhook", "/console"):
        assert api.call("POST", path, headers=headers).status_code == 403


def test_account_and_user_are_known(api: Api) -> None:
    assert api.data("GET", f"/ng/api/accounts/{ACCOUNT}")["identifier"] == ACCOUNT
    assert api.data("GET", "/ng/api/user/currentUser")["email"] == "sandbox@localhost"
    assert api.refusal(404, "GET", "/ng/api/accounts/other")["code"] == "ENTITY_NOT_FOUND"
