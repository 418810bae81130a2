"""The pytest plugin: fixtures, options, and when the sandbox is emptied; no server of its own.

Nothing is started before a collected test asks for it, and Harness only for a test that
asks for `harness`. Each worker of pytest-xdist is a session, and so has a sandbox of its own.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.testing.settings import RESETS, RUNTIMES, Wish, parse_wish

if TYPE_CHECKING:
    from boto3.session import Session

    from sandbox.testing.harness import Harness
    from sandbox.testing.local import LocalSandbox

_FIXTURES = frozenset({"sandbox", "aws", "harness"})
_PREFIX = "sandbox-test-"
_LONGEST_FOLDER = 70
_MARKER = "sandbox"
_MARKER_HELP = (
    "sandbox(runtime='fake'|'process', time_scale=100, reset=True): what this test's sandbox "
    "is like; reset=False keeps what the test before it left"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and their lines of pytest.ini."""
    group = parser.getgroup("sandbox", "the local AWS and Harness")
    group.addoption(
        "--sandbox-runtime",
        choices=RUNTIMES,
        default=None,
        help="What runs ECS tasks: nothing, they only seem to run (fake), or real processes.",
    )
    parser.addini("sandbox_runtime", "fake (default) or process; see --sandbox-runtime.")
    parser.addini("sandbox_time_scale", "Waits of the cloud divide by this (default 100).")
    parser.addini(
        "sandbox_reset",
        "When the sandbox is emptied: before each test (default), each module, or never (session).",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Check the options and register the marker."""
    config.addinivalue_line("markers", _MARKER_HELP)
    config.pluginmanager.register(_Keeper(config), "sandbox-keeper")


class _Keeper:
    """Holds the session's sandbox, and empties it before a test that uses it."""

    def __init__(self, config: pytest.Config) -> None:
        self._base = _base_wish(config)
        self._reset = config.getini("sandbox_reset") or "test"
        if self._reset not in RESETS:
            raise pytest.UsageError(
                f"sandbox_reset={self._reset!r} is not one of {', '.join(RESETS)}"
            )
        self._sandbox: LocalSandbox | None = None
        self._harness: Harness | None = None
        self._span: object = None
        self._is_used = False

    @property
    def sandbox(self) -> "LocalSandbox":
        """The sandbox, begun on first use."""
        if self._sandbox is None:
            from sandbox.testing.local import LocalSandbox

            self._sandbox = LocalSandbox(_new_folder(), self._base)
        self._sandbox.start()
        return self._sandbox

    @property
    def harness(self) -> "Harness":
        """The Harness client, begun on first use."""
        self.sandbox.start(harness=True)
        if self._harness is None:
            from sandbox.testing.harness import Harness

            self._harness = Harness(self.sandbox)
        return self._harness

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Begin to start what the collected tests ask for, while pytest goes on."""
        if session.config.option.collectonly or not session.items:
            return
        wanted = {name for item in session.items for name in _wanted(item)}
        if wanted:
            sandbox = self.sandbox
            if "harness" in wanted:
                sandbox.start(harness=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Give the test the sandbox that it asks for: emptied, and with its runtime."""
        if not _wanted(item):
            return
        marker = item.get_closest_marker(_MARKER)
        wish = _marked_wish(marker, self._base)
        keeps = marker is not None and marker.kwargs.get("reset", True) is False
        span = self._span_of(item)
        is_due = self._is_used and not keeps and span != self._span
        sandbox = self.sandbox
        if is_due or wish != sandbox.wish:
            sandbox.reset(wish)
        self._span = span
        self._is_used = True

    def pytest_sessionfinish(self) -> None:
        """End everything."""
        self.close()

    def pytest_unconfigure(self) -> None:
        """End everything, however the session ended."""
        self.close()

    def close(self) -> None:
        """End the sandbox. Safe to repeat."""
        sandbox, self._sandbox, self._harness = self._sandbox, None, None
        if sandbox is not None:
            sandbox.close()

    def _span_of(self, item: pytest.Item) -> object:
        if self._reset == "session":
            return "session"
        # Never the same twice: a test that is run again is emptied before, too.
        return item.path if self._reset == "module" else object()


@pytest.fixture(scope="session")
def sandbox(request: pytest.FixtureRequest) -> "LocalSandbox":
    """The sandbox of this session: AWS and Harness on free ports, emptied before each test.

    `calls()`, `assert_called(...)`, `script_image(...)`, `containers()`, `environment`, `url`.
    """
    return _keeper(request).sandbox


@pytest.fixture(scope="session")
def aws(sandbox: "LocalSandbox") -> "Session":
    """A boto3 session that reaches the sandbox and nothing else; it reads no environment.

    `aws.client("s3")`, `aws.resource("dynamodb")`.
    """
    return sandbox.session


@pytest.fixture(scope="session")
def harness(request: pytest.FixtureRequest) -> "Harness":
    """A small Harness client: apply YAML, run a pipeline, look at the run.

    `apply(...)`, `sync(folder)`, `file(path, text)`, `secret(name, value)`, `run(pipeline)`.
    """
    return _keeper(request).harness


def _keeper(request: pytest.FixtureRequest) -> _Keeper:
    keeper = request.config.pluginmanager.get_plugin("sandbox-keeper")
    assert isinstance(keeper, _Keeper)  # noqa: S101  registered by pytest_configure
    return keeper


def _new_folder() -> Path:
    """Make a temporary folder whose path is short enough for unix sockets below it."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    if len(str(folder)) > _LONGEST_FOLDER:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
    return folder


def _wanted(item: pytest.Item) -> Sequence[str]:
    return [name for name in getattr(item, "fixturenames", ()) if name in _FIXTURES]


def _base_wish(config: pytest.Config) -> Wish:
    runtime = config.getoption("--sandbox-runtime") or config.getini("sandbox_runtime") or None
    scale = config.getini("sandbox_time_scale") or None
    try:
        return parse_wish(runtime, scale, base=Wish(), where="pytest's configuration of sandbox_*")
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def _marked_wish(marker: pytest.Mark | None, base: Wish) -> Wish:
    if marker is None:
        return base
    unknown = set(marker.kwargs) - {"runtime", "time_scale", "reset"}
    if marker.args or unknown:
        raise pytest.UsageError(f"@pytest.mark.{_MARKER_HELP.partition(':')[0]} is all it takes")
    given = marker.kwargs
    try:
        return parse_wish(
            given.get("runtime"), given.get("time_scale"), base=base, where="@pytest.mark.sandbox"
        )
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
