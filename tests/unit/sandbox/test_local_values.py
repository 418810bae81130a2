"""Secrets of the local target: made once, whole, readable by their owner only."""

import threading
from pathlib import Path

from sandbox.local_values import kept_secret, local_placeholders, local_webhook
from sandbox.settings import Settings


def test_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "token"
    first = kept_secret(path)
    assert len(first) == 40
    assert kept_secret(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [child.name for child in path.parent.iterdir()] == ["token"]


def test_commands_at_the_same_time_get_the_same_secret(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(kept_secret(tmp_path / "token")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found[0]) == 40


def test_webhook_and_placeholder_share_the_secret(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert local_placeholders(settings)["GIT_WEBHOOK_SECRET"] == local_webhook(settings).secret
