"""The token by which a delegate proves itself: a compact JWE under the delegate token.

Source: harness-core TokenGenerator: `dir`, `A128GCM`, key = hex-decoded delegate token,
claims iss, sub, aud, exp (+30 min), jti.
"""

import json
import secrets
import time

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

SCHEME = "Delegate "
_LIFETIME_S = 1800


def mint(token_hex: str, *, account_id: str, host: str, audience: str) -> str:
    """Make the value of an Authorization header, valid for 30 minutes."""
    claims = {
        "iss": host,
        "sub": account_id,
        "aud": audience,
        "exp": int(time.time()) + _LIFETIME_S,
        "jti": secrets.token_hex(8),
    }
    header = {"alg": "dir", "enc": "A128GCM"}
    key = OctKey.import_key(bytes.fromhex(token_hex))
    return SCHEME + jwe.encrypt_compact(header, json.dumps(claims), key)


def verify(authorization: str, token_hex: str, *, account_id: str) -> bool:
    """True when the header was made with this token, for this account, and is not expired."""
    if not authorization.startswith(SCHEME):
        return False
    try:
        key = OctKey.import_key(bytes.fromhex(token_hex))
        opened = jwe.decrypt_compact(authorization.removeprefix(SCHEME), key)
        claims = json.loads(opened.plaintext or b"{}")
    except (JoseError, ValueError):
        return False
    return claims.get("sub") == account_id and float(claims.get("exp", 0)) > time.time()
