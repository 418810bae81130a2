"""The container runtime that needs no container engine."""

from sandbox.aws.runtime.process.runtime import ProcessRuntime, stop_all_tasks

__all__ = ["ProcessRuntime", "stop_all_tasks"]
