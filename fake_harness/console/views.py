"""The console's pages; every page has a JSON twin at the same URL with `.json`."""

from flask import Blueprint, redirect
from flask.typing import ResponseReturnValue

blueprint = Blueprint("console", __name__)


@blueprint.get("/")
def root() -> ResponseReturnValue:
    """Lead to the list of executions."""
    return redirect("/console")
