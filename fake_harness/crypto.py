"""Encryption at rest: AES-256-GCM under the master key file; it stores nothing else.

A value is bound to the place where it is kept (`context`), so that a ciphertext that is
copied to another row cannot be read there.
"""

import base64
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fake_harness.errors import HarnessError

_KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Cipher:
    """Encrypts and decrypts values under one key."""

    key: bytes = field(repr=False)

    def encrypt(self, value: bytes, *, context: str) -> bytes:
        """Return nonce and ciphertext of `value`, readable only with the same context."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, value, context.encode())

    def decrypt(self, ciphertext: bytes, *, context: str) -> bytes:
        """Return the value; HarnessError when the key or the context is another."""
        nonce, body = ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:]
        try:
            return AESGCM(self.key).decrypt(nonce, body, context.encode())
        except InvalidTag as error:
            raise HarnessError(
                "ENCRYPT_DECRYPT_ERROR",
                f"The value of {context} cannot be decrypted: the master key file is not the "
                "one that it was encrypted with. Restore that file, or enter the value again.",
            ) from error


def load_cipher(path: Path) -> Cipher:
    """Read the master key at `path`, or make it (mode 0600) when there is none.

    Safe to race: the first writer's key wins and all others read it.
    """
    with suppress(FileExistsError):
        _create_key_file(path)
    key = base64.b64decode(path.read_text().strip())
    if len(key) != _KEY_BYTES:
        message = f"{path} does not hold a master key of {_KEY_BYTES} bytes in base64."
        raise HarnessError("ENCRYPT_DECRYPT_ERROR", message)
    return Cipher(key)


def _create_key_file(path: Path) -> None:
    """Write a new key beside `path` and link it there, so that nobody reads half a key."""
    if path.exists():
        raise FileExistsError
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()
