import threading
import time
from pathlib import Path

from sqlalchemy import Engine, text

from fake_harness.api.changes import Changes
from fake_harness.store.database import open_database, transaction


def made(tmp_path: Path) -> tuple[Engine, Changes]:
    engine = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    with transaction(engine) as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    return engine, Changes(engine)


def write(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))


def test_wait_ends_without_a_change_after_its_time(tmp_path: Path) -> None:
    _, changes = made(tmp_path)
    mark = changes.mark()
    begun = time.monotonic()
    assert changes.wait(mark, 0.2) == mark
    assert time.monotonic() - begun >= 0.2


def test_commit_wakes_everyone_who_waits(tmp_path: Path) -> None:
    engine, changes = made(tmp_path)
    changes.wait(changes.mark(), 0.1)
    mark = changes.mark()
    answers: list[int] = []
    waiting = [
        threading.Thread(target=lambda: answers.append(changes.wait(mark, 20))) for _ in range(5)
    ]
    for thread in waiting:
        thread.start()
    write(engine)
    for thread in waiting:
        thread.join(10)
    assert len(answers) == 5
    assert all(answer != mark for answer in answers)


def test_commit_between_mark_and_wait_is_not_missed(tmp_path: Path) -> None:
    engine, changes = made(tmp_path)
    changes.wait(changes.mark(), 0.1)
    mark = changes.mark()
    write(engine)
    begun = time.monotonic()
    assert changes.wait(mark, 20) != mark
    assert time.monotonic() - begun < 10
