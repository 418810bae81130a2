"""Encrypted values of secret entities; the only place where a value is decrypted."""

from sqlalchemy import Connection, select

from fake_harness.crypto import Cipher
from fake_harness.store import entities
from fake_harness.store.entities import Entity, EntityKey
from fake_harness.store.tables import secret_values


def write_value(connection: Connection, entity: Entity, value: bytes, *, cipher: Cipher) -> None:
    """Encrypt and keep the value of a SecretText or the bytes of a SecretFile."""
    ciphertext = cipher.encrypt(value, context=entity.key.text)
    connection.execute(secret_values.delete().where(secret_values.c.entity_id == entity.id))
    connection.execute(secret_values.insert().values(entity_id=entity.id, ciphertext=ciphertext))


def reveal(connection: Connection, key: EntityKey, *, cipher: Cipher) -> bytes | None:
    """Return the value of the secret, or None when the secret or its value is missing."""
    entity = entities.get(connection, key)
    if entity is None:
        return None
    statement = select(secret_values.c.ciphertext).where(secret_values.c.entity_id == entity.id)
    ciphertext = connection.execute(statement).scalar_one_or_none()
    return None if ciphertext is None else cipher.decrypt(ciphertext, context=key.text)
