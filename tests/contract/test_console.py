"""The console over HTTP as a browser uses it: pages, twins, live streams, forms and guards."""

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from harness_api_server import (
    ACCOUNT,
    APPROVAL,
    WHAT,
    Api,
    api_server,
    csrf_token,
    pipeline,
    running_engine,
    stage,
    start_afresh,
)
from patience import eventually

from fake_harness.store import logs, node_executions

SECRETS = ("contract.key", "0123456789abcdef0123456789abcdef")


class Browser:
    """A browser on the console: cookies, Origin, no API key."""

    def __init__(self, api: Api) -> None:
        self.url = api.url
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=30, **more)

    def page(self, path: str) -> str:
        answer = self.get(path)
        assert answer.ok, answer.text
        assert not any(secret in answer.text for secret in SECRETS)
        return answer.text

    def twin(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.headers["Content-Type"] == "application/json"
        return answer.json()

    def post(self, path: str, form: Any, **headers: Any) -> requests.Response:
        return self.session.post(
            self.url + path,
            data=form,
            headers={"Origin": self.url, **headers},
            timeout=30,
            allow_redirects=False,
        )

    def submit(self, page: str, path: str, **form: Any) -> requests.Response:
        return self.post(path, {"csrf_token": csrf_token(self.page(page)), **form})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_server(tmp_path_factory.mktemp("harness")) as running:
        yield running


@pytest.fixture
def api(server: Api) -> Api:
    start_afresh(server)
    return server


@pytest.fixture
def browser(api: Api) -> Browser:
    return Browser(api)


@pytest.fixture
def waiting(api: Api) -> Iterator[str]:
    api.add_pipeline(pipeline("brew", stage("one", APPROVAL), stage("two"), variables=WHAT))
    with running_engine(api):
        started = api.run("brew")
        api.await_status(started, "ApprovalWaiting")
        yield started


def approval_path(api: Api, execution_id: str) -> str:
    page = Browser(api).twin(f"/console/executions/{execution_id}.json")
    (card,) = page["approvals"]
    return f"/console/executions/{execution_id}/approvals/{card['approval']['id']}"


def test_root_leads_to_the_console(browser: Browser) -> None:
    answer = browser.get("/", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/console")


@pytest.mark.parametrize("path", ["", "/pipelines", "/delegates"])
def test_every_list_page_has_a_json_twin(api: Api, browser: Browser, path: str) -> None:
    empty = browser.page(f"/console{path}")
    assert f'href="/console{path}.json"' in empty
    api.add_pipeline(pipeline("brew", stage("one")))
    api.run("brew")
    assert browser.twin(f"/console{path}.json") is not None
    browser.page(f"/console{path}")


def test_list_shows_executions_and_filters_them(api: Api, browser: Browser) -> None:
    for name in ("brew", "bake"):
        api.add_pipeline(pipeline(name, stage("one"), stage("two")))
        api.run(name)
    page = browser.twin("/console.json")
    assert [item["pipeline"] for item in page["items"]] == ["bake", "brew"]
    assert [dot["status"] for dot in page["items"][0]["stages"]] == ["NotStarted", "NotStarted"]
    assert [i["pipeline"] for i in browser.twin("/console.json?pipeline=brew")["items"]] == ["brew"]
    assert browser.twin("/console.json?status=Failed")["items"] == []
    assert "No execution matches" in browser.page("/console?status=Failed")
    assert browser.get("/console?status=Nope").status_code == 400


def test_execution_page_shows_stages_steps_and_the_approval(
    api: Api, browser: Browser, waiting: str
) -> None:
    text = browser.page(f"/console/executions/{waiting}")
    assert "Ship tea?" in text
    page = browser.twin(f"/console/executions/{waiting}.json")
    stages = [[item["status"] for item in column] for column in page["columns"]]
    assert stages == [["ApprovalWaiting"], ["NotStarted"]]
    assert page["step"]["node"]["identifier"] == "ask"
    assert page["step"]["node"]["resolved_params"]["approvalMessage"] == "Ship tea?"
    other = browser.twin(f"/console/executions/{waiting}.json?stage=two")
    assert (other["stage"]["identifier"], other["step"]) == ("two", None)
    for tab in ("input", "output", "details", "log"):
        browser.page(f"/console/executions/{waiting}?tab={tab}")
    assert browser.get("/console/executions/nope").status_code == 404
    assert browser.get("/console/executions/nope.json").json()["code"] == (
        "RESOURCE_NOT_FOUND_EXCEPTION"
    )


def test_rows_page_shows_every_table(browser: Browser, waiting: str) -> None:
    page = browser.twin(f"/console/executions/{waiting}/rows.json")
    counts = {table["name"]: len(table["rows"]) for table in page["tables"]}
    assert counts["plan_executions"] == counts["approvals"] == 1
    assert counts["node_executions"] >= 4
    browser.page(f"/console/executions/{waiting}/rows")


def test_approval_by_form_lets_the_execution_go_on(
    api: Api, browser: Browser, waiting: str
) -> None:
    page, path = f"/console/executions/{waiting}", approval_path(api, waiting)
    form = {"action": "APPROVE", "comments": "<b>fine</b>", "input:ticket": "OPS-1"}
    answer = browser.submit(page, path, **form)
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    api.await_status(waiting, "Success")
    shown = browser.page(f"{page}?stage=one")
    assert "&lt;b&gt;fine&lt;/b&gt;" in shown
    assert "<b>fine</b>" not in shown
    again = browser.post(path, {"csrf_token": form_of(browser, waiting), **form})
    assert again.status_code == 400
    assert "already completed" in again.text


def form_of(browser: Browser, execution_id: str) -> str:
    return csrf_token(browser.page(f"/console/executions/{execution_id}"))


def test_rejection_and_missing_inputs(api: Api, browser: Browser, waiting: str) -> None:
    page, path = f"/console/executions/{waiting}", approval_path(api, waiting)
    missing = browser.submit(page, path, action="APPROVE")
    assert missing.status_code == 400
    assert "[ticket] is required" in missing.text
    assert browser.submit(page, path, action="REJECT").status_code == 303
    api.await_status(waiting, "ApprovalRejected")


def test_abort_and_retry_by_form(api: Api, browser: Browser, waiting: str) -> None:
    page = f"/console/executions/{waiting}"
    assert browser.submit(page, f"{page}/interrupt", type="AbortAll").status_code == 303
    api.await_status(waiting, "Aborted")
    assert "Retry from One" in browser.page(page)
    answer = browser.submit(page, f"{page}/retry", stage="one")
    again = answer.headers["Location"].rpartition("/")[2]
    api.await_status(again, "ApprovalWaiting")
    answer = browser.submit(page, f"{page}/rerun")
    assert answer.headers["Location"].rpartition("/")[2] not in {waiting, again}


ATTACKS = {
    "no token": ({"csrf_token": ""}, {}),
    "wrong token": ({"csrf_token": "0" * 64}, {}),
    "other origin": ({}, {"Origin": "http://evil.example"}),
    "other port": ({}, {"Origin": "http://127.0.0.1:1"}),
    "null origin": ({}, {"Origin": "null"}),
    "no origin": ({}, {"Origin": None}),
    "no cookie": ({}, {"Cookie": ""}),
    "forged cookie": ({}, {"Cookie": "fake_harness_console_{port}=x.y"}),
}


@pytest.mark.parametrize(("form", "headers"), ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("action", ["interrupt", "approvals", "run", "rerun", "retry"])
def test_form_that_the_console_did_not_make_changes_nothing(
    api: Api, browser: Browser, waiting: str, action: str, form: Any, headers: Any
) -> None:
    page = f"/console/executions/{waiting}"
    path = {
        "interrupt": f"{page}/interrupt",
        "approvals": approval_path(api, waiting),
        "run": "/console/pipelines/shop/web/brew/run",
        "rerun": f"{page}/rerun",
        "retry": f"{page}/retry",
    }[action]
    good = {
        "csrf_token": csrf_token(browser.page(page)),
        "type": "AbortAll",
        "action": "REJECT",
        "stage": "one",
    }
    port = browser.url.rpartition(":")[2]
    sent = {key: value and value.format(port=port) for key, value in headers.items()}
    answer = browser.post(path, {**good, **form}, **sent)
    assert (answer.status_code, answer.json()["code"]) == (403, "ACCESS_DENIED")
    assert len(browser.twin("/console.json")["items"]) == 1
    assert browser.twin(f"{page}.json")["execution"]["status"] == "ApprovalWaiting"


def test_token_of_another_session_is_refused(api: Api, browser: Browser, waiting: str) -> None:
    page = f"/console/executions/{waiting}"
    foreign = csrf_token(Browser(api).page(page))
    browser.page(page)
    answer = browser.post(f"{page}/interrupt", {"csrf_token": foreign, "type": "AbortAll"})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/", "/console", "/console.json", "/console/static/console.js"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:7457", "127.0.0.1.evil.example"])
def test_console_does_not_answer_under_a_foreign_name(
    browser: Browser, host: str, path: str
) -> None:
    answer = browser.get(path, headers={"Host": host}, allow_redirects=False)
    assert answer.status_code == 403
    assert "does not answer under the name" in answer.json()["message"]


@pytest.mark.parametrize("host", ["localhost", "localhost:80", "127.0.0.1:7457", "[::1]:7457"])
def test_console_answers_under_loopback_names(browser: Browser, host: str) -> None:
    assert browser.get("/console", headers={"Host": host}).ok


def test_pages_carry_headers_that_keep_others_out(browser: Browser) -> None:
    answer = browser.get("/console")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_pages_need_nothing_from_elsewhere(browser: Browser) -> None:
    text = browser.page("/console")
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert links
    assert all(link.startswith(("/", "#")) for link in links)
    assert "style=" not in text
    assert not re.search(r"\son\w+=", text)
    for link in [link for link in links if "/static/" in link]:
        assert browser.get(link).ok
    assert "http" not in browser.get("/console/static/console.css").text


def test_run_form_asks_for_the_inputs_and_starts_the_pipeline(api: Api, browser: Browser) -> None:
    variables = (
        WHAT + "\n    - {name: cup, type: String, value: '<+input>.allowedValues(big,small)'}"
    )
    api.add_pipeline(pipeline("brew", stage("one"), stage("two"), variables=variables))
    page = "/console/pipelines/shop/web/brew/run"
    fields = {field["label"]: field for field in browser.twin(f"{page}.json")["fields"]}
    assert fields["what"]["default"] == "tea"
    assert fields["cup"]["choices"] == ["big", "small"]
    refused = browser.submit(page, page, **{fields["what"]["name"]: "<i>mate</i>"})
    assert refused.status_code == 400
    assert "has no value" in refused.text
    assert "&lt;i&gt;mate&lt;/i&gt;" in refused.text
    wrong = browser.submit(page, page, **{fields["cup"]["name"]: "huge"})
    assert "huge" in html.unescape(wrong.text)
    values = {fields["what"]["name"]: "mate", fields["cup"]["name"]: "big", "stage": "two"}
    answer = browser.submit(page, page, **values)
    assert answer.status_code == 303
    made = browser.twin(f"{answer.headers['Location']}.json")
    assert "mate" in made["inputs_yaml"]
    assert made["stages_executed"] == ["two"]
    assert browser.get("/console/pipelines/shop/web/no/run").status_code == 404


def test_status_events_are_pushed_and_resumed(api: Api, browser: Browser) -> None:
    api.add_pipeline(pipeline("brew", stage("one", APPROVAL), variables=WHAT))
    started = api.run("brew")
    path = f"/console/executions/{started}/events"
    with browser.get(path, stream=True) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.iter_lines(decode_unicode=True)
        begun = next(line for line in lines if line.startswith("id: "))
        first = next(line for line in lines if line.startswith("data: "))
        assert json.loads(first[6:])["status"] == "Queued"
        with running_engine(api):
            statuses = (json.loads(li[6:])["status"] for li in lines if li.startswith("data: "))
            assert next(s for s in statuses if s == "ApprovalWaiting")
    seen = int(begun.removeprefix("id: "))
    with browser.get(path, headers={"Last-Event-ID": str(seen)}, stream=True) as answer:
        ids = (line for line in answer.iter_lines(decode_unicode=True) if line.startswith("id: "))
        assert next(ids) == f"id: {seen + 1}"


def test_log_is_followed_by_offset_and_rendered_safely(
    api: Api, browser: Browser, waiting: str
) -> None:
    with api.backend.read() as connection:
        rows = node_executions.list_nodes(connection, waiting)
    node = next(row for row in rows if row.identifier == "ask")

    def write(unit: str, offset: int, *texts: str) -> None:
        key = f"{node.log_base_key}-commandUnit:{unit}" if unit else node.log_base_key
        lines = [json.dumps({"out": text, "level": "INFO", "time": "T"}) for text in texts]
        with api.backend.write() as connection:
            now = datetime.now(UTC)
            logs.append_lines(connection, ACCOUNT, key, lines=lines, offset=offset, now=now)

    write("Build", 0, "\x1b[32mgreen\x1b[0m <script>alert(1)</script>\n", "two\n")
    page = f"/console/executions/{waiting}"
    text = browser.page(page)
    assert '<i class="c2">green</i> &lt;script&gt;alert(1)&lt;/script&gt;' in text
    assert 'data-after="2"' in text
    path = f"{page}/nodes/{node.id}/log"
    with browser.get(path, params={"after": "1"}, stream=True) as answer:
        lines = answer.iter_lines(decode_unicode=True)
        frame = [next(li for li in lines if li.startswith(p)) for p in ("id: ", "data: ")]
        assert frame[0] == "id: 2"
        body = json.loads(frame[1][6:])
        assert (body["unit"], body["index"]) == ("Build", 0)
        assert "two" in body["html"]
        assert "green" not in body["html"]
        write("Push", 0, "<img src=x>\n")
        frame = [next(li for li in lines if li.startswith(p)) for p in ("id: ", "data: ")]
        assert frame[0] == "id: 2,1"
        assert "&lt;img src=x&gt;" in json.loads(frame[1][6:])["html"]
        with api.backend.write() as connection:
            for unit in ("Build", "Push"):
                key = f"{node.log_base_key}-commandUnit:{unit}"
                logs.close_stream(connection, ACCOUNT, key, now=datetime.now(UTC))
        browser.submit(page, f"{page}/interrupt", type="AbortAll")
        assert eventually(lambda: "event: end" in next(lines))
    plain = browser.page(f"{path}.txt")
    assert (
        plain == "=== Build ===\ngreen <script>alert(1)</script>\ntwo\n=== Push ===\n<img src=x>\n"
    )
    answer = browser.get(f"{path}.txt")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_names_from_yaml_are_escaped(api: Api, browser: Browser) -> None:
    bad = "<script>alert(1)</script>"
    api.add_pipeline(pipeline("brew", stage("one"), variables=WHAT))
    inputs = (
        f"pipeline: {{identifier: brew, variables: [{{name: what, type: String, value: '{bad}'}}]}}"
    )
    started = api.run("brew", inputs, notesForPipelineExecution=bad)
    for path in (
        "/console",
        f"/console/executions/{started}",
        f"/console/executions/{started}/rows",
    ):
        assert bad not in browser.page(path)
