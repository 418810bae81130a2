"""Registry credentials: made and checked here, kept nowhere.

A token is a signed statement of its own expiry, so that it outlives a restart.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sandbox.clock import Now

TOKEN_LIFE = timedelta(hours=12)
_DOWNLOAD_LIFE = timedelta(hours=1)
_USER = "AWS"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationToken:
    """`user:password` in base64, as GetAuthorizationToken answers it."""

    value: str
    expires_at: datetime


class TokenMint:
    """Makes and checks tokens under one key. Thread-safe."""

    def __init__(self, key: bytes, now: Now) -> None:
        self._key = key
        self._now = now

    def issue(self, holder: str = "") -> AuthorizationToken:
        """Make a token that is good for 12 hours, as ECR's are.

        Args:
            holder: the access key id that asked for it; the token says so.

        """
        expires_at = self._now() + TOKEN_LIFE
        password = self._signed(f"token {holder}", expires_at) + f".{holder}"
        value = base64.b64encode(f"{_USER}:{password}".encode()).decode()
        return AuthorizationToken(value=value, expires_at=expires_at)

    def accepts(self, authorization: str) -> bool:
        """Tell whether an `Authorization` header carries a token of ours that is not over."""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        signed, _, holder = password.rpartition(".")
        return hmac.compare_digest(user, _USER) and self._valid(f"token {holder}", signed)

    def sign_download(self, path: str) -> str:
        """Make the query value that opens the one blob at `path` for an hour."""
        return self._signed(path, self._now() + _DOWNLOAD_LIFE)

    def opens_download(self, path: str, signature: str) -> bool:
        """Tell whether `signature` opens `path` now."""
        return self._valid(path, signature)

    def _signed(self, subject: str, expires_at: datetime) -> str:
        expiry = str(int(expires_at.timestamp()))
        return f"{expiry}.{self._signature(subject, expiry)}"

    def _valid(self, subject: str, value: str) -> bool:
        expiry, _, signature = value.partition(".")
        expected = self._signature(subject, expiry)
        if not hmac.compare_digest(signature.encode(), expected.encode()) or not expiry.isdigit():
            return False
        return datetime.fromtimestamp(int(expiry), UTC) > self._now()

    def _signature(self, subject: str, expiry: str) -> str:
        message = f"{subject}\n{expiry}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()
