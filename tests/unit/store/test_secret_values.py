import stat
from pathlib import Path
from typing import Any

import pytest
from fresh_database import URL
from sqlalchemy import Connection, Engine, select
from store_fixtures import NOW, SCOPE, new_execution

from fake_harness.crypto import Cipher, load_cipher
from fake_harness.errors import HarnessError
from fake_harness.store import delegate_tasks, delegates, entities, executions, secrets, tables
from fake_harness.store.database import transaction
from fake_harness.store.delegate_tasks import NewTask
from fake_harness.store.entities import EntityContent, EntityKey
from fake_harness.store.markers import SecretScope, marker, missing_secrets, with_secrets

HUSH = "hush-hush-value"


def key(identifier: Any = "db", **more: Any) -> Any:
    return EntityKey(**{"kind": "secret", **SCOPE, "identifier": identifier, **more})


def stored(connection: Connection, cipher: Cipher, the_key: Any, value: Any = HUSH) -> None:
    entity = entities.create(connection, the_key, EntityContent(name="s"), now=NOW)
    secrets.write_value(connection, entity, value.encode(), cipher=cipher)


def test_a_secret_is_revealed_only_with_its_key_file(
    connection: Connection, cipher: Cipher, tmp_path: Path
) -> None:
    stored(connection, cipher, key())
    assert secrets.reveal(connection, key(), cipher=cipher) == HUSH.encode()
    with pytest.raises(HarnessError, match="master key file"):
        secrets.reveal(connection, key(), cipher=load_cipher(tmp_path / "other.key"))


@pytest.mark.skipif(bool(URL), reason="PostgreSQL's files are its own affair")
def test_no_file_of_the_database_holds_the_value(
    database: Engine, cipher: Cipher, tmp_path: Path
) -> None:
    with transaction(database) as connection:
        stored(connection, cipher, key())
    files = list(tmp_path.glob("harness.db*"))
    assert files
    assert all(HUSH.encode() not in file.read_bytes() for file in files)


def test_a_ciphertext_moved_to_another_secret_cannot_be_read(
    connection: Connection, cipher: Cipher
) -> None:
    stored(connection, cipher, key("a"))
    stored(connection, cipher, key("b"), "other")
    column = tables.secret_values.c
    rows = connection.execute(select(column.ciphertext).order_by(column.entity_id)).all()
    connection.execute(tables.secret_values.update().values(ciphertext=rows[0].ciphertext))
    with pytest.raises(HarnessError):
        secrets.reveal(connection, key("b"), cipher=cipher)


def test_the_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "master.key"
    assert load_cipher(path) == load_cipher(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["master.key"]


def test_a_spoilt_key_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text("c2hvcnQ=\n")
    with pytest.raises(HarnessError, match=r"master\.key"):
        load_cipher(path)


def test_a_package_gets_the_values_of_its_markers_by_scope(
    connection: Connection, cipher: Cipher
) -> None:
    stored(connection, cipher, key(), "project value")
    stored(connection, cipher, key(org="", project=""), "account value")
    package = {"params": {"a": f"x {marker('db')}", "b": [marker("account.db")]}}
    scope = SecretScope(**SCOPE)
    filled = with_secrets(connection, package, scope, cipher=cipher)
    assert filled["secrets"] == {
        marker("db"): "project value",
        marker("account.db"): "account value",
    }
    assert filled["params"] == package["params"]
    assert missing_secrets(connection, [marker("nope"), marker("db")], scope) == ("nope",)


def test_secret_outputs_are_sealed_and_reach_later_tasks(
    connection: Connection, cipher: Cipher
) -> None:
    execution = executions.create_execution(connection, new_execution(), now=NOW)
    delegate = delegates.register(connection, "acc", delegates.Registration(name="d"), now=NOW)
    task = NewTask(
        id="t",
        account="acc",
        plan_execution_id=execution.id,
        node_execution_id="n",
        type="Run",
        package={},
    )
    delegate_tasks.insert_task(connection, task, now=NOW)
    delegate_tasks.acquire(connection, "t", delegate, now=NOW)
    result = {
        "status": "SUCCEEDED",
        "outputVariables": {"TOKEN": HUSH, "PLAIN": "p"},
        "secretOutputs": ["TOKEN"],
    }
    assert delegate_tasks.complete(connection, "t", delegate.id, result, now=NOW, cipher=cipher)
    kept = delegate_tasks.get_task(connection, "t").result["outputVariables"]
    assert kept == {"TOKEN": marker("output.t.TOKEN"), "PLAIN": "p"}
    filled = with_secrets(connection, {"params": kept}, SecretScope(**SCOPE), cipher=cipher)
    assert filled["secrets"] == {marker("output.t.TOKEN"): HUSH}
