"""The sandbox of one test session: AWS at once, Harness once somebody wants it, and resets."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.testing import calls as call_lists
from sandbox.testing.calls import AwsCall
from sandbox.testing.processes import ServerProcess
from sandbox.testing.settings import (
    ACCOUNT_ID,
    HARNESS_ACCOUNT,
    HARNESS_KEY,
    REGION,
    Wish,
    aws_variables,
    harness_variables,
    server_environment,
)

if TYPE_CHECKING:
    from boto3.session import Session

_AWS = "sandbox.testing.aws_server:AwsServer"
_HARNESS = "fake_harness.one_process:OneProcess"


class LocalSandbox:
    """What the fixture `sandbox` gives: one AWS and one Harness account, emptied by `reset`.

    Args:
        folder: everything is written below it; removed by `close`.
        wish: the runtime and the time scale to begin with.

    """

    def __init__(self, folder: Path, wish: Wish) -> None:
        self._folder = folder
        self._wish = wish
        self._aws = ServerProcess("AWS", _AWS, folder / "aws")
        self._harness = ServerProcess("Harness", _HARNESS, folder / "harness")
        self._session: Session | None = None
        self.resets = 0
        """How many times it was emptied: what was made before another number is gone."""

    # Life

    def start(self, *, harness: bool = False) -> None:
        """Start what is not started yet; returns at once, the first use waits."""
        if not self._aws.is_started:
            self._aws.start(server_environment(), self._wish)
        if harness and not self._harness.is_started:
            added = harness_variables(self._aws.url, self._harness.url, str(self._folder))
            self._harness.start({**server_environment(), **added}, self._wish)

    def reset(self, wish: Wish | None = None) -> None:
        """Empty both accounts: no resource, execution, task or recorded call is left."""
        self._wish = wish or self._wish
        self.resets += 1
        started = [server for server in (self._aws, self._harness) if server.is_started]
        # All end before any begins: a step that still runs must not reach the next AWS.
        for server in started:
            server.end()
        for server in started:
            server.settle()
        for server in started:
            server.begin(self._wish)
        for server in started:
            server.settle()

    def close(self) -> None:
        """End every process and remove the folder. Safe to repeat."""
        self._aws.close()
        self._harness.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def wish(self) -> Wish:
        """The runtime and the time scale of now."""
        return self._wish

    # AWS

    @property
    def url(self) -> str:
        """The AWS endpoint; it answers once this returns."""
        self.start()
        self._aws.settle()
        return self._aws.url

    @property
    def region(self) -> str:
        """The region of `session`."""
        return REGION

    @property
    def account_id(self) -> str:
        """The AWS account."""
        return ACCOUNT_ID

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that point any AWS tool here, for `monkeypatch.setenv` or a subprocess."""
        return aws_variables(self.url)

    @property
    def session(self) -> "Session":
        """A boto3 session whose clients and resources come here, whatever the environment says."""
        self.start()
        if self._session is None:
            from sandbox.testing.sessions import LocalSession

            self._session = LocalSession(self._aws.url)
        self._aws.settle()
        return self._session

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of this account."""
        return self.session.client(service, **options)

    # What was called

    def calls(
        self, *, by: str = "", service: str = "", changes_only: bool = False, after: int = 0
    ) -> list[AwsCall]:
        """Return the AWS calls since the last reset, in order.

        Args:
            by: only those of `test`, `pipeline` or `task`.
            service: only those of one service, as boto3 names it.
            changes_only: leave out what only looks (`Describe*`, `Get*`, `List*`, ...).
            after: only those whose number is above this one.

        """
        rows = [AwsCall(**row) for row in self._aws.call("calls", after=after)]
        return [
            row
            for row in rows
            if (not by or row.by == by)
            and (not service or row.service == service)
            and not (changes_only and call_lists.is_read(row.operation))
        ]

    def assert_called(self, *names: str, by: str = "") -> None:
        """Check that the named calls were made in this order, others between them or not.

        `ecs.CreateService`, `ecs.*` and `CreateService` are all names.
        """
        __tracebackhide__ = True
        made = self.calls(by=by)
        missing = call_lists.missing_in_order(made, names)
        if missing:
            who = f" by {by}" if by else ""
            raise AssertionError(
                f"{missing} was not called{who} (in the order {', '.join(names)}).\n"
                f"The calls were:\n{call_lists.shown(made)}"
            )

    # The fake runtime

    def script_image(
        self,
        image: str,
        *,
        stdout: Sequence[str] = (),
        exit_code: int | None = None,
        ignores_sigterm: bool = False,
        pull_error: str = "",
        start_error: str = "",
        health: str = "HEALTHY",
    ) -> None:
        """Say what containers of `image` do from now on; an image without a script just runs.

        Args:
            image: as the task definition names it.
            stdout: lines that it writes as it starts.
            exit_code: it ends at once with this code; None: it runs until it is stopped.
            ignores_sigterm: it must be killed.
            pull_error: why the image cannot be had: `CannotPullContainerError: ...`.
            start_error: why it cannot be started: `CannotStartContainerError: ...`.
            health: `UNHEALTHY`: of its health check, and of it as a load balancer's target.

        """
        program = {
            "stdout": list(stdout),
            "exit_code": exit_code,
            "ignores_sigterm": ignores_sigterm,
            "pull_error": pull_error,
            "start_error": start_error,
            "health": health,
        }
        self._aws.call("script", image=image, program=program)

    def exit_container(self, task_arn: str, container: str, exit_code: int) -> None:
        """Let a container end by itself."""
        self._aws.call("exit", task=task_arn, container=container, exitCode=exit_code)

    def set_health(self, task_arn: str, container: str, health: str) -> None:
        """Change the verdict of a container's health check: HEALTHY or UNHEALTHY."""
        self._aws.call("setHealth", task=task_arn, container=container, health=health)

    def write_log(self, task_arn: str, container: str, lines: Sequence[str]) -> None:
        """Let a container write lines of output."""
        self._aws.call("writeLog", task=task_arn, container=container, lines=list(lines))

    def containers(self, image: str = "") -> list[Mapping[str, Any]]:
        """Return what the fake runtime was told to run since the last reset, in order.

        Each has `taskArn`, `cluster`, `family`, `name`, `image`, `command`, `entry_point`,
        `environment` (secrets resolved), `user`, `health_check`, ... as a real engine gets
        them. Containers that have ended are there too.

        Args:
            image: only containers of this image, as the task definition names it.

        """
        told: list[Mapping[str, Any]] = self._aws.call("containers")
        return [container for container in told if image in {"", container["image"]}]

    # Harness

    @property
    def harness_url(self) -> str:
        """The Harness endpoint, without `/gateway`; it answers once this returns."""
        self.start(harness=True)
        self._harness.settle()
        return self._harness.url

    @property
    def harness_environment(self) -> Mapping[str, str]:
        """The variables that point Harness's own clients here."""
        return {
            "HARNESS_ENDPOINT": f"{self.harness_url}/gateway",
            "HARNESS_ACCOUNT_ID": HARNESS_ACCOUNT,
            "HARNESS_PLATFORM_API_KEY": HARNESS_KEY,
        }
