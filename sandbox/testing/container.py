"""The sandbox's own image for testcontainers-python: start, wait until it serves, clients.

Needs the extra: `pip install "harness-aws-sandbox[testcontainers]"`.
"""

from importlib.metadata import version
from typing import Any, Self

from boto3.session import Session
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import CompositeWaitStrategy, HttpWaitStrategy

from sandbox.harness_client import HarnessClient
from sandbox.testing.sessions import LocalSession
from sandbox.testing.settings import HARNESS_ACCOUNT, HARNESS_KEY, aws_variables

IMAGE = "harness-aws-sandbox"
AWS_PORT, HARNESS_PORT, GIT_PORT = 4566, 7457, 3000
START_TIMEOUT_S = 120


def default_image() -> str:
    """Return the image of this version: `harness-aws-sandbox:<version>`."""
    return f"{IMAGE}:{version(IMAGE)}"


class SandboxContainer(DockerContainer):
    """The whole sandbox in one container, on free ports of this machine.

        with SandboxContainer() as sandbox:
            s3 = sandbox.aws_client("s3")

    It is ready when AWS, Harness, its engine and its delegate answer.

    Args:
        image: another image than that of this version.
        parts: only these parts (`"aws"`, or `"aws harness engine delegate"`); all when empty.
        options: as of `DockerContainer`.

    """

    def __init__(self, image: str = "", *, parts: str = "", **options: Any) -> None:
        super().__init__(image or default_image(), **options)
        self._parts = tuple(parts.split())
        self._session: Session | None = None
        self.with_env("SANDBOX_BIND", "0.0.0.0")  # inside; Docker publishes to this machine
        if self._parts:
            self.with_command(["serve", *self._parts])
        waits = []
        if self._has("aws"):
            self.with_exposed_ports(AWS_PORT)
            waits.append(HttpWaitStrategy(AWS_PORT, "/_sandbox/health").for_status_code(200))
        if self._has("git"):
            self.with_exposed_ports(GIT_PORT)
        if self._has("harness"):
            self.with_exposed_ports(HARNESS_PORT)
            healthy = HttpWaitStrategy(HARNESS_PORT, "/health").for_status_code(200)
            waits.append(healthy.for_response_predicate(self._is_whole))
        if not waits:
            raise ValueError(f"parts={parts!r} serves neither aws nor harness")
        self.waiting_for(CompositeWaitStrategy(*waits).with_startup_timeout(START_TIMEOUT_S))

    def with_time_scale(self, factor: float) -> Self:
        """Divide the waits of the cloud (health-check intervals, drains, Wait steps)."""
        return self.with_env("SANDBOX_TIME_SCALE", str(factor))

    @property
    def aws_url(self) -> str:
        """The AWS endpoint."""
        return self._url(AWS_PORT)

    @property
    def harness_url(self) -> str:
        """The Harness endpoint and console, without `/gateway`."""
        return self._url(HARNESS_PORT)

    @property
    def git_url(self) -> str:
        """The Git server."""
        return self._url(GIT_PORT)

    @property
    def session(self) -> Session:
        """A boto3 session that reaches this container and nothing else."""
        if self._session is None:
            self._session = LocalSession(self.aws_url)
        return self._session

    def aws_client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of this container."""
        return self.session.client(service, **options)

    def harness_client(self) -> HarnessClient:
        """Return a REST client of this container's Harness."""
        return HarnessClient(self.harness_url, HARNESS_ACCOUNT, HARNESS_KEY)

    def environment(self) -> dict[str, str]:
        """Return the variables that point AWS and Harness tools at this container."""
        harness = {
            "HARNESS_ENDPOINT": f"{self.harness_url}/gateway",
            "HARNESS_ACCOUNT_ID": HARNESS_ACCOUNT,
            "HARNESS_PLATFORM_API_KEY": HARNESS_KEY,
        }
        return {**aws_variables(self.aws_url), **(harness if self._has("harness") else {})}

    def _has(self, part: str) -> bool:
        return not self._parts or part in self._parts

    def _is_whole(self, health: str) -> bool:
        """Tell from Harness's health whether what was asked for is connected."""
        engine = not self._has("engine") or '"engine":"running"' in health.replace(" ", "")
        delegate = not self._has("delegate") or '"delegates":[]' not in health.replace(" ", "")
        return engine and delegate

    def _url(self, port: int) -> str:
        return f"http://{self.get_container_host_ip()}:{self.get_exposed_port(port)}"
