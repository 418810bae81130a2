"""Names the account in a request's credential, as LocalStack reads it; pure.

LocalStack knows an account by the access key: twelve digits are the account itself, keys that
it issued carry it, every other key means its default account. Source: localstack-core,
aws/accounts.py.
"""

import base64
import binascii
import re

_HEADER = re.compile(r"(Credential=)([^/,\s]+)")
PRESIGNED = re.compile(r"([?&]X-Amz-Credential=)([^/%&]+)")
"""The credential in the query of a presigned URL."""

_ISSUED = re.compile(r"[AL][KS]IA[A-Z2-7]{16,}")
_OFFSET = int.from_bytes(base64.b32decode("QAAAAAAA"), "big")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def credited(text: str, account_id: str, *, where: re.Pattern[str] = _HEADER) -> str:
    """Return `text` with the account as its access key, unless LocalStack issued the key.

    Args:
        text: an `Authorization` header, or a request target.
        account_id: the account of the caller.
        where: finds the key: what stands before it, then the key.

    """

    def named(match: re.Match[str]) -> str:
        keeps = _is_issued_for(match[2], account_id)
        return match[0] if keeps else match[1] + account_id

    return where.sub(named, text, count=1)


def _is_issued_for(key: str, account_id: str) -> bool:
    """Tell whether a key is one of LocalStack's, of this account.

    Keys that begin with A are those of real accounts, or of tasks here: LocalStack issues
    such ones only with PARITY_AWS_ACCESS_KEY_ID, and then they carry the account.
    """
    if not _ISSUED.fullmatch(key):
        return False
    if key.startswith("L"):
        return True
    try:
        number = int.from_bytes(base64.b32decode(key[4:12]), "big") - _OFFSET
    except binascii.Error:
        return False
    return 2 * number + (_ALPHABET.index(key[12]) >= 16) == int(account_id)
