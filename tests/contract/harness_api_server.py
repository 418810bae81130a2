"""The Harness API and console in this process, spoken to over HTTP; the engine when asked for."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from flask import Flask
from patience import eventually
from werkzeug.serving import make_server

from fake_harness.api.app import create_app
from fake_harness.api.wire import Backend
from fake_harness.engine.loop import EngineLoop
from fake_harness.settings import Settings
from fake_harness.store.database import metadata, open_database

KEY = "pat.sandbox_account.contract.key"
TOKEN = "0123456789abcdef0123456789abcdef"
ACCOUNT = "sandbox_account"
SCOPE = {"orgIdentifier": "shop", "projectIdentifier": "web"}
V1 = "/v1/orgs/shop/projects/web"


@dataclass
class Api:
    """A running server and a client of it."""

    url: str
    app: Flask
    session: requests.Session

    @property
    def backend(self) -> Backend:
        return self.app.extensions["harness"]

    def call(self, method: str, path: str, *, scope: Any = SCOPE, **more: Any) -> requests.Response:
        params = {"accountIdentifier": ACCOUNT, **(scope or {}), **more.pop("params", {})}
        return self.session.request(method, self.url + path, params=params, timeout=30, **more)

    def data(self, method: str, path: str, **more: Any) -> Any:
        answer = self.call(method, path, **more)
        assert answer.ok, answer.text
        assert answer.json()["status"] == "SUCCESS"
        return answer.json()["data"]

    def refusal(self, status: int, method: str, path: str, **more: Any) -> Any:
        answer = self.call(method, path, **more)
        assert answer.status_code == status, answer.text
        body = answer.json()
        assert body["status"] == "ERROR"
        return body

    def add_pipeline(self, text: str) -> str:
        made = self.data("POST", "/pipeline/api/pipelines/v2", data=text.encode())
        return str(made["identifier"])

    def run(self, pipeline: str, inputs: str = "", **params: Any) -> str:
        path = f"/pipeline/api/pipeline/execute/{pipeline}"
        planned = self.data("POST", path, data=inputs.encode(), params=params)
        return str(planned["planExecution"]["uuid"])

    def execution(self, execution_id: str) -> Any:
        return self.data("GET", f"/pipeline/api/pipelines/execution/v2/{execution_id}")

    def await_status(self, execution_id: str, *statuses: str) -> Any:
        def reached() -> Any:
            summary = self.execution(execution_id)["pipelineExecutionSummary"]
            return summary if summary["status"] in statuses else None

        return eventually(reached)


@contextmanager
def api_server(folder: Path) -> Iterator[Api]:
    settings = Settings(
        state_dir=folder,
        api_key=KEY,
        delegate_token=TOKEN,
        master_key_file=folder / "master.key",
        account_id=ACCOUNT,
        public_url="http://127.0.0.1:7457",
    )
    app = create_app(settings)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    session = requests.Session()
    session.trust_env = False
    session.headers["x-api-key"] = KEY
    try:
        yield Api(f"http://127.0.0.1:{server.server_port}", app, session)
    finally:
        session.close()
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def running_engine(api: Api) -> Iterator[None]:
    settings = api.backend.settings
    loop = EngineLoop(
        database=open_database(settings.sqlalchemy_url),
        time_scale=1000,
        public_url=settings.public_url,
    )
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.stopping = True
        thread.join(10)


def start_afresh(api: Api) -> None:
    """Empty every table and make the project that the tests work in."""
    with api.backend.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    org = {"organization": {"identifier": "shop", "name": "Shop"}}
    api.data("POST", "/ng/api/organizations", scope=None, json=org)
    project = {"project": {"identifier": "web", "name": "Web", "orgIdentifier": "shop"}}
    scope = {"orgIdentifier": "shop"}
    api.data("POST", "/ng/api/projects", scope=scope, json=project)


def wait_step(identifier: str) -> str:
    return f"""
              - step:
                  identifier: {identifier}
                  name: {identifier}
                  type: Wait
                  spec: {{duration: 10s}}"""


def stage(identifier: str, steps: str = "") -> str:
    body = steps or wait_step("pause")
    return f"""
    - stage:
        identifier: {identifier}
        name: {identifier.capitalize()}
        type: Custom
        spec:
          execution:
            steps:{body}"""


APPROVAL = """
              - step:
                  identifier: ask
                  name: Ask
                  type: HarnessApproval
                  timeout: 1d
                  spec:
                    approvalMessage: Ship <+pipeline.variables.what>?
                    includePipelineExecutionHistory: true
                    approvers:
                      userGroups: [account._account_all_users]
                      minimumCount: 1
                      disallowPipelineExecutor: false
                    approverInputs:
                      - {name: ticket, required: true}"""


def pipeline(identifier: str, *stages: str, variables: str = "") -> str:
    given = f"  variables:{variables}\n" if variables else ""
    return f"""pipeline:
  identifier: {identifier}
  name: {identifier.capitalize()}
  orgIdentifier: shop
  projectIdentifier: web
{given}  stages:{"".join(stages)}
"""


WHAT = "\n    - {name: what, type: String, value: <+input>.default(tea)}"


def csrf_token(html: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert found, html
    return found[1]
