"""What a person can do on the console; each goes the way of the API's own routes."""

from collections.abc import Mapping
from dataclasses import replace

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue

from fake_harness.api.approvals import decide
from fake_harness.api.executions import add_interrupt, again
from fake_harness.api.launch import Launch, launch
from fake_harness.api.pipelines import require_pipeline
from fake_harness.api.wire import Scope, backend
from fake_harness.console.pages import RunPage, entered, run_page, show
from fake_harness.console.run_form import filled_inputs
from fake_harness.errors import HarnessError, YamlInvalidError
from fake_harness.store import executions
from fake_harness.store.executions import PlanExecution

blueprint = Blueprint("actions", __name__)


@blueprint.post("/console/executions/<execution_id>/interrupt")
def interrupt(execution_id: str) -> ResponseReturnValue:
    """Abort an execution, or say what to do about a node that waits."""
    node_id = request.form.get("node") or None
    add_interrupt(execution_id, request.form.get("type", ""), node_id)
    return _back_to(execution_id, node_id or "")


@blueprint.post("/console/executions/<execution_id>/approvals/<approval_id>")
def act_on_approval(execution_id: str, approval_id: str) -> ResponseReturnValue:
    """Approve or reject."""
    inputs = {
        key.removeprefix("input:"): value
        for key, value in request.form.items()
        if key.startswith("input:")
    }
    decide(
        approval_id,
        request.form.get("action", ""),
        comments=request.form.get("comments", "").strip(),
        inputs=inputs,
    )
    return _back_to(execution_id)


@blueprint.post("/console/executions/<execution_id>/rerun")
def rerun(execution_id: str) -> ResponseReturnValue:
    """Run again with the inputs of an execution."""
    with backend().write() as connection:
        first = executions.require_execution(connection, execution_id)
        started = launch(connection, again(first, rerun_of=first.id))
    return _back_to(started.id)


@blueprint.post("/console/executions/<execution_id>/retry")
def retry(execution_id: str) -> ResponseReturnValue:
    """Run again from the stages of the form; what came before them is kept."""
    with backend().write() as connection:
        first = executions.require_execution(connection, execution_id)
        wish = again(first, retry_of=first.id, retry_stages=request.form.getlist("stage"))
        started = launch(connection, wish)
    return _back_to(started.id)


@blueprint.post("/console/pipelines/<org>/<project>/<identifier>/run")
def run(org: str, project: str, identifier: str) -> ResponseReturnValue:
    """Run a pipeline with the inputs of the form; faults are shown with the form."""
    scope = Scope(account=backend().settings.account_id, org=org, project=project)
    form = request.form
    values = {key: ",".join(form.getlist(key)) for key in form if key.startswith("input:")}
    page = run_page(scope, identifier)
    page = replace(
        page,
        fields=entered(page, values),
        chosen_sets=tuple(form.getlist("input_set")),
        chosen_stages=tuple(form.getlist("stage")),
        notes=form.get("notes", "").strip(),
    )
    try:
        started = _launch(scope, page, values)
    except YamlInvalidError as error:
        faults = tuple(f"{p.yaml_path}: {p.message} {p.hint}".strip() for p in error.problems)
        return show("run.html", replace(page, faults=faults), status=400)
    except HarnessError as error:
        return show("run.html", replace(page, faults=(error.message,)), status=400)
    return _back_to(started.id)


def _launch(scope: Scope, page: RunPage, values: Mapping[str, str]) -> PlanExecution:
    with backend().write() as connection:
        entity = require_pipeline(connection, scope, page.identifier)
        wish = Launch(
            scope=scope,
            pipeline=page.identifier,
            inputs_yaml=filled_inputs(entity.yaml, values),
            input_sets=page.chosen_sets,
            stages=page.chosen_stages,
            notes=page.notes,
        )
        return launch(connection, wish)


def _back_to(execution_id: str, node_id: str = "") -> ResponseReturnValue:
    node = f"?node={node_id}" if node_id else ""
    return redirect(f"/console/executions/{execution_id}{node}", code=303)
