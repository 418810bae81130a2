"""The account and its one user. Source: `/ng/api/accounts`, `/ng/api/user/currentUser`."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from fake_harness.api.wire import SYSTEM_USER, backend, ok
from fake_harness.errors import not_found

blueprint = Blueprint("account", __name__, url_prefix="/ng/api")


@blueprint.get("/accounts/<identifier>")
def get_account(identifier: str) -> ResponseReturnValue:
    """Read the sandbox's account."""
    if identifier != backend().settings.account_id:
        raise not_found("Account", identifier)
    return ok(
        {
            "identifier": identifier,
            "name": "Sandbox",
            "companyName": "Sandbox",
            "cluster": "sandbox",
            "defaultExperience": "NG",
            "nextGenEnabled": True,
            "productLed": False,
        }
    )


@blueprint.get("/user/currentUser")
def current_user() -> ResponseReturnValue:
    """Read the user that the API key stands for."""
    return ok(
        {
            "uuid": SYSTEM_USER["uuid"],
            "name": SYSTEM_USER["name"],
            "email": SYSTEM_USER["email"],
            "defaultAccountId": backend().settings.account_id,
            "accounts": [{"uuid": backend().settings.account_id, "accountName": "Sandbox"}],
            "admin": True,
            "locked": False,
            "disabled": False,
            "externallyManaged": False,
            "twoFactorAuthenticationEnabled": False,
        }
    )
