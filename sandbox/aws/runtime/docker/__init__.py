"""The container runtime that runs tasks on a Docker-API engine."""

from sandbox.aws.runtime.docker.runtime import DockerRuntime

__all__ = ["DockerRuntime"]
