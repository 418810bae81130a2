"""The delegate protocol and the log service over HTTP."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from harness_api_server import (
    ACCOUNT,
    TOKEN,
    Api,
    api_server,
    pipeline,
    stage,
    start_afresh,
)

from fake_harness.delegate_token import mint
from fake_harness.store.delegate_tasks import NewTask, get_task, insert_task

LOG = "/log-service"
CLIENT_PATIENCE_S = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_server(tmp_path_factory.mktemp("harness")) as running:
        yield running


@pytest.fixture
def api(server: Api) -> Api:
    start_afresh(server)
    return server


def agent(api: Api, method: str, path: str, *, token: str = TOKEN, **more: Any) -> Any:
    proof = mint(token, account_id=ACCOUNT, host="h", audience=api.url)
    url = f"{api.url}/api/agent{path}"
    headers = {"Authorization": proof}
    return requests.request(method, url, headers=headers, timeout=CLIENT_PATIENCE_S, **more)


def register(api: Api, name: str = "d1", **more: Any) -> str:
    body = {"delegateName": name, "hostName": "h", "tags": ["linux"], **more}
    answer = agent(api, "POST", "/delegates/register", json=body)
    assert answer.ok, answer.text
    return str(answer.json()["resource"]["delegateId"])


def offer_task(api: Api, task_id: str = "t1", selectors: Any = ()) -> str:
    api.add_pipeline(pipeline("brew", stage("one")))
    started = api.run("brew")
    task = NewTask(
        id=task_id,
        account=ACCOUNT,
        plan_execution_id=started,
        node_execution_id="n1",
        type="ShellScript",
        package={"params": {"script": '${ngSecretManager.obtain("token", 0)}'}},
        selectors=selectors,
    )
    with api.backend.write() as connection:
        insert_task(connection, task, now=datetime.now(UTC))
    return task_id


def add_secret(api: Api) -> None:
    spec = {"secretManagerIdentifier": "x", "valueType": "Inline", "value": "v4lue"}
    body = {"identifier": "token", "name": "token", "type": "SecretText", "spec": spec}
    api.data("POST", "/ng/api/v2/secrets", json={"secret": body})


def polled(api: Api, delegate: str, **params: Any) -> list[Any]:
    answer = agent(api, "GET", f"/delegates/{delegate}/task-events", params=params)
    return list(answer.json()["delegateTaskEvents"])


@pytest.mark.parametrize("header", [None, "Delegate x", "Delegate a.b.c.d.e", "Bearer x"])
def test_delegate_without_a_valid_proof_is_refused(api: Api, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    url = f"{api.url}/api/agent/delegates/register"
    answer = requests.post(url, json={"delegateName": "d"}, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_TOKEN")
    other = agent(api, "POST", "/delegates/register", token="f" * 32, json={"delegateName": "d"})
    assert other.status_code == 401


def test_same_name_registers_again_with_the_same_id(api: Api) -> None:
    assert register(api) == register(api)
    assert register(api, "d2") != register(api)
    (row, _) = api.call("POST", "/ng/api/delegate-setup/listDelegates", json={}).json()["resource"]
    assert (row["name"], row["connected"], row["tokenName"]) == ("d1", True, "default_token")


def test_unknown_delegate_is_told_to_register(api: Api) -> None:
    answer = agent(api, "POST", "/delegates/heartbeat-with-polling", json={"delegateId": "no"})
    assert (answer.status_code, answer.json()["code"]) == (404, "DELEGATE_NOT_REGISTERED")
    assert agent(api, "POST", "/delegates/register", json={}).status_code == 400


def test_task_goes_from_offer_to_result_once(api: Api) -> None:
    add_secret(api)
    one, two = register(api), register(api, "d2")
    task = offer_task(api)
    assert polled(api, one) == [{"delegateTaskId": task, "abort": False}]
    assert polled(api, one, known=[task]) == []
    package = agent(api, "PUT", f"/delegates/{one}/tasks/{task}/acquire/v2").json()
    marker = '${ngSecretManager.obtain("token", 0)}'
    assert (package["taskId"], package["taskType"]) == (task, "ShellScript")
    assert package["params"]["script"] == marker
    assert package["secrets"] == {marker: "v4lue"}
    assert agent(api, "PUT", f"/delegates/{two}/tasks/{task}/acquire/v2").status_code == 409
    assert polled(api, two) == []
    unit = {"unitProgresses": [{"unitName": "Execute", "status": "RUNNING"}]}
    progress = agent(api, "PUT", f"/delegates/{one}/tasks/{task}/progress", json=unit)
    assert progress.json()["resource"] is True
    result = {"status": "SUCCEEDED", "outputVariables": {}}
    assert agent(api, "POST", f"/tasks/{task}/delegates/{two}/v2", json=result).status_code == 409
    for _ in range(2):
        assert agent(api, "POST", f"/tasks/{task}/delegates/{one}/v2", json=result).ok
    with api.backend.read() as connection:
        row = get_task(connection, task)
        assert row is not None
        assert (row.status, row.result) == ("COMPLETED", result)


def test_task_is_offered_to_delegates_with_its_tags_only(api: Api) -> None:
    one, two = register(api), register(api, "d2", tags=["mac"])
    task = offer_task(api, selectors=["mac"])
    assert polled(api, one) == []
    assert [event["delegateTaskId"] for event in polled(api, two)] == [task]
    assert agent(api, "PUT", f"/delegates/{one}/tasks/{task}/acquire/v2").status_code == 409


def test_long_poll_answers_as_soon_as_a_task_is_there(api: Api) -> None:
    delegate = register(api)
    answers: list[Any] = []

    def wait() -> None:  # for longer than the client has patience
        answers.append(polled(api, delegate, waitSeconds=2 * CLIENT_PATIENCE_S))

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    task = offer_task(api)
    waiting.join()
    assert answers == [[{"delegateTaskId": task, "abort": False}]]


@pytest.mark.parametrize("wait", ["x", "nan", "-1"])
def test_wait_that_is_no_number_is_refused(api: Api, wait: str) -> None:
    path = f"/delegates/{register(api)}/task-events"
    answer = agent(api, "GET", path, params={"waitSeconds": wait})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")


def test_delegate_tokens_open_the_door_until_they_are_revoked(api: Api) -> None:
    path = "/ng/api/delegate-token-ng"
    made = api.call("POST", path, params={"tokenName": "edge"}).json()["resource"]
    assert api.refusal(400, "POST", path, params={"tokenName": "edge"})["code"] == "DUPLICATE_FIELD"
    listed = api.call("GET", path, params={"name": "edge", "status": "ACTIVE"}).json()["resource"]
    assert [row["name"] for row in listed] == ["edge"]
    assert "value" not in listed[0]
    body = {"delegateName": "d9"}
    assert agent(api, "POST", "/delegates/register", token=made["value"], json=body).ok
    revoked = api.call("PUT", path, params={"tokenName": "edge"}).json()["resource"]
    assert revoked["status"] == "REVOKED"
    late = agent(api, "POST", "/delegates/register", token=made["value"], json=body)
    assert late.status_code == 401
    assert api.call("GET", path, params={"status": "ACTIVE"}).json()["resource"] == []
    api.refusal(404, "PUT", path, params={"tokenName": "edge"})
    assert "tokenName" in api.refusal(400, "POST", path)["message"]


def line(number: int, text: str = "") -> str:
    fields = {"level": "INFO", "pos": number, "out": text or f"line {number}\n", "time": "t"}
    return json.dumps(fields, ensure_ascii=False)


def append(api: Api, key: str, offset: Any, *lines: str) -> requests.Response:
    params = {"accountID": ACCOUNT, "key": key, "offset": offset}
    proof = mint(TOKEN, account_id=ACCOUNT, host="h", audience=api.url)
    return requests.put(
        f"{api.url}{LOG}/stream",
        params=params,
        data="\n".join(lines).encode(),
        headers={"Authorization": proof},
        timeout=10,
    )


def blob(api: Api, key: str, **params: Any) -> requests.Response:
    more = {"accountID": ACCOUNT, "key": key, **params}
    return api.call("GET", f"/gateway{LOG}/blob", scope=None, params=more)


def test_repeated_append_is_cut_and_a_gap_is_refused(api: Api) -> None:
    assert append(api, "k", 0, line(0), line(1)).json() == {"lines": 2}
    assert append(api, "k", 1, line(1), line(2)).json() == {"lines": 3}
    assert append(api, "k", 0, line(0)).json() == {"lines": 3}
    gap = append(api, "k", 5, line(5))
    assert (gap.status_code, gap.json()["code"]) == (400, "INVALID_REQUEST")
    for bad in ("", "x", "-1"):
        assert append(api, "k", bad, line(9)).status_code == 400
    answer = blob(api, "k")
    assert [json.loads(text)["pos"] for text in answer.text.splitlines()] == [0, 1, 2]
    assert (answer.headers["X-Log-Offset"], answer.headers["X-Log-Closed"]) == ("3", "false")
    assert blob(api, "k", offset=2).text.count("\n") == 1
    assert blob(api, "no").status_code == 404
    assert blob(api, "k", offset="x").status_code == 400


def test_line_separators_inside_a_line_do_not_split_it(api: Api) -> None:
    texts = ["a\u2028b", "c\x85d", "e\x0bf"]
    sent = [line(number, text) for number, text in enumerate(texts)]
    assert append(api, "k", 0, *sent).json() == {"lines": 3}
    shown = blob(api, "k").content.decode().rstrip("\n").split("\n")
    assert [json.loads(text)["out"] for text in shown] == texts


def test_stream_follows_a_log_to_its_end_and_resumes(api: Api) -> None:
    append(api, "k", 0, line(0), line(1))
    params = {"accountID": ACCOUNT, "key": "k"}
    with api.call("GET", f"{LOG}/stream", scope=None, params=params, stream=True) as answer:
        frames = answer.iter_lines(decode_unicode=True)
        assert next(frames) == "id: 1"
        append(api, "k", 2, line(2))
        api.call("DELETE", f"{LOG}/stream", scope=None, params=params)
        rest = [frame for frame in frames if frame]
    assert rest[-2:] == ["event: error", "data: eof"]
    assert [frame for frame in rest if frame.startswith("id")] == ["id: 2", "id: 3"]
    with api.call(
        "GET",
        f"{LOG}/stream",
        scope=None,
        params=params,
        headers={"Last-Event-ID": "2"},
        stream=True,
    ) as answer:
        resumed = [frame for frame in answer.iter_lines(decode_unicode=True) if frame]
    assert resumed[0] == "id: 3"


def test_logs_need_a_key_or_a_delegate(api: Api) -> None:
    url, params = f"{api.url}{LOG}/blob", {"accountID": ACCOUNT, "key": "k"}
    assert requests.get(url, params=params, timeout=10).status_code == 401
    bad = {"Authorization": "Delegate x"}
    assert requests.get(url, params=params, headers=bad, timeout=10).status_code == 401
