"""Fast integration tests against the sandbox: `pytest -p sandbox.testing`; see docs/testing.md.

Importing this package is cheap: the fixtures live in `plugin.py`, which pytest loads by
name, and `SandboxContainer` needs the extra `testcontainers` only when it is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.testing.calls import AwsCall
    from sandbox.testing.container import SandboxContainer
    from sandbox.testing.harness import Harness
    from sandbox.testing.local import LocalSandbox
    from sandbox.testing.runs import PipelineRun, Stage, Step

__all__ = [
    "AwsCall",
    "Harness",
    "LocalSandbox",
    "PipelineRun",
    "SandboxContainer",
    "Stage",
    "Step",
    "pytest_plugins",
]

pytest_plugins = ("sandbox.testing.plugin",)

_HOMES = {
    "AwsCall": "calls",
    "Harness": "harness",
    "LocalSandbox": "local",
    "PipelineRun": "runs",
    "SandboxContainer": "container",
    "Stage": "runs",
    "Step": "runs",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that the plugin's servers need not import it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("testcontainers"):
            raise
        extra = 'pip install "harness-aws-sandbox[testcontainers]"'
        raise ImportError(f"{name} needs testcontainers-python: {extra}") from error
