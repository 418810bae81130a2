"""Who may use the console: loopback browsers, and forms that the console itself made.

The console holds no API key. A page is answered only under a loopback name or the public
URL's own (against DNS rebinding); a change needs the page's own origin and a token that is
bound to a SameSite=Strict session cookie, signed under a key derived from the master key.
"""

import hashlib
import hmac
import ipaddress
import secrets
from urllib.parse import urlsplit

from flask import Response, g, request

from fake_harness.api.wire import backend
from fake_harness.errors import HarnessError

FIELD = "csrf_token"
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def check_request() -> None:
    """Refuse a foreign Host; for a change also a foreign origin and a missing token.

    Raises:
        HarnessError: ACCESS_DENIED (403), with what was wrong.
    """
    if not is_own_host(_host_name(request.host), backend().settings.public_url):
        raise _denied(
            f"This console does not answer under the name [{request.host}]. Use a loopback "
            "address, or set FAKE_HARNESS_PUBLIC_URL."
        )
    g.console_session = _session()
    if request.method not in {"GET", "HEAD"}:
        _check_change()


def protect_answer(answer: Response) -> Response:
    """Add the session cookie and the headers that keep other sites out."""
    answer.headers["Content-Security-Policy"] = _POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    answer.headers.setdefault("Cache-Control", "no-store")
    session = g.get("console_session", "")
    if session and request.cookies.get(cookie_name()) != session:
        answer.set_cookie(cookie_name(), session, path="/", httponly=True, samesite="Strict")
    return answer


def cookie_name() -> str:
    """Return the cookie's name; with the port, because browsers share cookies among ports."""
    return f"fake_harness_console_{request.host.rpartition(':')[2]}"


def form_token() -> str:
    """Return the token that a form of this session must carry."""
    return _sign(f"form:{g.console_session}")


def is_own_host(name: str, public_url: str) -> bool:
    """True for a loopback name or address, and for the host of the public URL."""
    name = name.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return bool(name) and name == (urlsplit(public_url).hostname or "")


def _check_change() -> None:
    origin = request.headers.get("Origin", "")
    if origin.lower() != f"{request.scheme}://{request.host}".lower():
        raise _denied(f"The form was sent from [{origin or 'an unknown page'}], not from here.")
    if request.cookies.get(cookie_name()) != g.console_session:
        raise _denied("The page's session is over. Go back, load it again, and repeat.")
    given = request.form.get(FIELD, "")
    if not hmac.compare_digest(given.encode(), form_token().encode()):
        raise _denied("The form's token is not this session's. Load the page again and repeat.")


def _session() -> str:
    """Return the request's session when its signature holds, else a new one."""
    given = request.cookies.get(cookie_name(), "")
    identifier, _, signature = given.partition(".")
    expected = _sign(f"session:{identifier}")
    if identifier and hmac.compare_digest(signature.encode(), expected.encode()):
        return given
    identifier = secrets.token_urlsafe(24)
    return f"{identifier}.{_sign(f'session:{identifier}')}"


def _sign(text: str) -> str:
    key = hmac.digest(backend().cipher.key, b"fake_harness console", "sha256")
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # `[::1` and the like
        return ""


def _denied(message: str) -> HarnessError:
    return HarnessError("ACCESS_DENIED", message, status=403)
