"""The console's pages; every page has a JSON twin at the same URL with `.json`.

It shows what is stored; changes are in `actions.py`, live parts in `live.py`.
"""

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue

from fake_harness.api.wire import Scope, backend, now
from fake_harness.console import actions, live
from fake_harness.console.execution import execution_page
from fake_harness.console.guard import check_request, protect_answer
from fake_harness.console.lists import delegate_rows, executions_page, pipeline_rows
from fake_harness.console.pages import run_page, show
from fake_harness.console.rows import rows_page
from fake_harness.errors import HarnessError, not_found
from fake_harness.status import Status

blueprint = Blueprint(
    "console",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/console/static",
)
blueprint.register_blueprint(actions.blueprint)
blueprint.register_blueprint(live.blueprint)
blueprint.before_request(check_request)
blueprint.after_request(protect_answer)


@blueprint.get("/")
def root() -> ResponseReturnValue:
    """Lead to the list of executions."""
    return redirect("/console")


@blueprint.get("/console")
@blueprint.get("/console.json")
def list_executions() -> ResponseReturnValue:
    """Show the executions, newest first."""
    number = request.args.get("page", "0")
    with backend().read() as connection:
        page = executions_page(
            connection,
            backend().settings.account_id,
            pipeline=request.args.get("pipeline", ""),
            status=_status(request.args.get("status", "")),
            page=int(number) if number.isdigit() else 0,
        )
    return show("executions.html", page)


@blueprint.get("/console/pipelines")
@blueprint.get("/console/pipelines.json")
def list_pipelines() -> ResponseReturnValue:
    """Show the pipelines with their last runs."""
    with backend().read() as connection:
        return show("pipelines.html", pipeline_rows(connection, backend().settings.account_id))


@blueprint.get("/console/pipelines/<org>/<project>/<identifier>/run")
@blueprint.get("/console/pipelines/<org>/<project>/<identifier>/run.json")
def ask_run(org: str, project: str, identifier: str) -> ResponseReturnValue:
    """Ask for the runtime inputs of a pipeline."""
    scope = Scope(account=backend().settings.account_id, org=org, project=project)
    return show("run.html", run_page(scope, identifier))


@blueprint.get("/console/executions/<execution_id>")
@blueprint.get("/console/executions/<execution_id>.json")
def get_execution(execution_id: str) -> ResponseReturnValue:
    """Show one execution: `stage` and `node` choose what is looked at."""
    with backend().read() as connection:
        page = execution_page(
            connection,
            execution_id,
            stage=request.args.get("stage", ""),
            node=request.args.get("node", ""),
        )
    return show("execution.html", page)


@blueprint.get("/console/executions/<execution_id>/rows")
@blueprint.get("/console/executions/<execution_id>/rows.json")
def get_rows(execution_id: str) -> ResponseReturnValue:
    """Show the stored rows behind an execution."""
    with backend().read() as connection:
        return show("rows.html", rows_page(connection, execution_id))


@blueprint.get("/console/delegates")
@blueprint.get("/console/delegates.json")
def list_delegates() -> ResponseReturnValue:
    """Show the delegates and what they run."""
    with backend().read() as connection:
        rows = delegate_rows(connection, backend().settings.account_id, now())
    return show("delegates.html", rows)


@blueprint.get("/console/<path:rest>")
def missing(rest: str) -> ResponseReturnValue:
    """Say that there is no such page."""
    raise not_found("Page", f"/console/{rest}")


@blueprint.errorhandler(HarnessError)
def refused(error: HarnessError) -> ResponseReturnValue:
    """Show an error as a page."""
    if request.path.endswith(".json") or error.status == 403:
        return {"code": error.code, "message": error.message}, error.status
    return show("error.html", error, status=error.status)


def _status(name: str) -> Status | None:
    if not name:
        return None
    try:
        return Status.from_wire(name)
    except ValueError as error:
        raise HarnessError("INVALID_REQUEST", f"There is no status [{name}].") from error
