"""The life of one sandbox: up, down, and what can be said of it in between."""

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox import stack
from sandbox.aws.engines import remembered_engine, remove_tasks, settle_engine, stop_tasks
from sandbox.aws.localstack.health import require_localstack
from sandbox.errors import EnvironmentNotReadyError, UsageError, not_writable
from sandbox.host import host_environment
from sandbox.leftovers import end_steps
from sandbox.listening import require_free_port
from sandbox.settings import Settings, started_settings, variable
from sandbox.supervisor import ProcessSpec, Supervisor, write_private

Ready = Callable[[str, float], None]


class Sandbox:
    """The sandbox of one state directory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.supervisor = Supervisor(settings.home, settings.log_dir)

    def up(self, *, timeout_s: float, ready: Ready) -> float:
        """Start everything and wait; return the seconds until all was ready.

        Raises:
            UsageError: it runs already, with other settings.
            DependencyError: a port is taken, the state directory cannot be written, or the
                LocalStack or container engine that the settings want does not answer.
            EnvironmentNotReadyError: a process does not come up; carries its log.
        """
        begun = time.monotonic()
        if self.settings.aws != "local":
            alone = self.settings.aws == "localstack-only"
            require_localstack(self.settings.localstack_url, alone=alone)
        make_home(self.settings.home)
        with self._alone("up"):
            is_running = self.supervisor.is_running()
            if is_running:
                self._refuse_other_settings()
            elif self.settings.engine not in {"auto", remembered_engine(self.settings)}:
                stop_tasks(self.settings)  # they were left running on another engine
            self.settings = settle_engine(self.settings)
            specs = stack.process_specs(self.settings, host_environment())
            if is_running:
                self.supervisor.revive()
            else:
                self._start(specs)
        for name, seconds in self.supervisor.wait_ready(specs, timeout_s=timeout_s):
            ready(name, seconds)
        return time.monotonic() - begun

    def down(self, *, purge: bool) -> str:
        """Stop the processes, every task and every step; `purge` deletes the state too.

        Returns what could not be stopped, for people; else nothing.

        Raises:
            UsageError: what is to be deleted is no state directory.
            DependencyError: the container engine that holds a part of it does not answer.
        """
        home = self.settings.home
        if purge and home.exists() and not (home / "sandbox.json").exists():
            raise UsageError(
                f"{home} is not a sandbox state directory; nothing was deleted.",
                hint="SANDBOX_HOME must name the directory that `sandbox up` made.",
            )
        if not home.exists():
            return ""
        with self._alone("down"):
            self.supervisor.stop()
            end_steps(home / "delegate")
            trouble = stop_tasks(self.settings)
            self.settings.started_file.unlink(missing_ok=True)
            if purge:
                remove_tasks(self.settings)
                shutil.rmtree(home)
        return trouble

    def describe(self) -> dict[str, Any]:
        """Return processes, URLs and load balancers as one JSON-like object."""
        processes = self.supervisor.status()
        return {
            "running": bool(processes),
            "home": str(self.settings.home),
            "engine": remembered_engine(self.settings) or self.settings.engine,
            "processes": [
                {"name": p.name, "state": p.state, "pid": p.pid, "uptime_s": p.uptime_s}
                for p in processes
            ],
            "urls": {
                "AWS endpoint": self.settings.aws_url,
                **self._localstack_url(),
                "Harness API": f"{self.settings.harness_url}/gateway",
                "Harness console": self.settings.harness_url,
                "Git": self.settings.git_url,
                **self._proxy_url(),
            },
            "load_balancers": self.load_balancers(),
        }

    def _localstack_url(self) -> dict[str, str]:
        behind = self.settings.aws == "localstack"
        return {"LocalStack behind it": self.settings.localstack_url} if behind else {}

    def _proxy_url(self) -> dict[str, str]:
        alone = self.settings.aws == "localstack-only"
        return {} if alone else {"Forward proxy": self.settings.proxy_url}

    def load_balancers(self) -> dict[str, Any]:
        """Return DNS names with the addresses and ports where they listen."""
        path = self.settings.names_file
        return json.loads(path.read_text()) if path.exists() else {}

    def log_files(self, name: str | None) -> list[Path]:
        """Return the log of one process, or of all.

        Raises:
            UsageError: there is no such process; names those that exist.
        """
        files = sorted(self.settings.log_dir.glob("*.log"))
        chosen = [path for path in files if name in {None, path.stem}]
        if not chosen:
            known = ", ".join(path.stem for path in files) or "none yet; run `sandbox up`"
            raise UsageError(
                f"No log named {name!r}." if name else "There are no logs.", hint=f"Known: {known}."
            )
        return chosen

    def authority(self) -> Path:
        """Return the folder of the sandbox's certificate authority: ca.pem, bundle.pem.

        Raises:
            EnvironmentNotReadyError: it was never started.
        """
        if not (self.settings.ca_dir / "ca.pem").exists():
            raise EnvironmentNotReadyError(
                f"There is no certificate authority in {self.settings.home} yet.",
                hint="`sandbox up` makes it.",
            )
        return self.settings.ca_dir

    def prepare(self, specs: tuple[ProcessSpec, ...]) -> None:
        """Make what `specs` need before they start: the state directory and files of the AWS.

        Raises:
            DependencyError: a port is taken, or the state directory cannot be written.
        """
        make_home(self.settings.home)
        for spec in specs:
            if spec.port:
                setting = variable(f"{spec.name}_port")
                require_free_port(self.settings.bind, spec.port, what=spec.name, setting=setting)
        if all(spec.name != "aws" for spec in specs):
            return
        from sandbox.aws.elbv2.bootstrap import write_bootstrap

        if not (self.settings.ca_dir / "bundle.pem").exists():
            from sandbox.aws.ca import CertificateAuthority

            CertificateAuthority.open(self.settings.ca_dir)
        write_bootstrap(self.settings.envoy_dir, self.settings.ads_socket)

    def _start(self, specs: tuple[ProcessSpec, ...]) -> None:
        self.supervisor.end_orphans()
        self.prepare(specs)
        values = self.settings.model_dump(mode="json", exclude={"home"})
        write_private(self.settings.started_file, json.dumps(values, indent=1))
        self.supervisor.start(specs)

    def _refuse_other_settings(self) -> None:
        started = started_settings(self.settings)
        asked = self.settings.model_dump(mode="json")
        if asked["engine"] == "auto":
            asked["engine"] = started.get("engine")
        differing = [name for name, value in started.items() if asked[name] != value]
        if differing:
            rows = [f"{variable(n)} is {started[n]} there, {asked[n]} here" for n in differing]
            raise UsageError(
                f"The sandbox already runs with other settings: {'; '.join(rows)}.",
                hint="`sandbox down`, then `sandbox up`, starts it with the new ones.",
            )

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Let no two commands start or stop the same sandbox at once."""
        with (self.settings.home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise EnvironmentNotReadyError(
                    f"Another command is just starting or stopping {self.settings.home}.",
                    hint=f"Wait for it, then run `sandbox {what}` again.",
                ) from error
            yield


def make_home(home: Path) -> None:
    """Make the state directory, with the marker by which `down --purge` knows it.

    Raises:
        DependencyError: it cannot be written.
    """
    marker = {"what": "state directory of the sandbox", "version": 1}
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / "sandbox.json").write_text(json.dumps(marker))
    except OSError as error:
        raise not_writable(home, error) from error
