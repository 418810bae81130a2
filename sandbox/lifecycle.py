"""The life of one sandbox: up, down, and what can be said of it in between."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox import stack
from sandbox.aws.ca import CertificateAuthority
from sandbox.aws.elbv2.bootstrap import write_bootstrap
from sandbox.aws.runtime.process import stop_all_tasks
from sandbox.errors import DependencyError, UsageError
from sandbox.settings import Settings, host_environment
from sandbox.supervisor import ProcessSpec, Supervisor, check_ports
from sandbox.terraform import write_cli_config

Ready = Callable[[str, float], None]


class Sandbox:
    """The sandbox of one state directory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.supervisor = Supervisor(settings.home, settings.log_dir)

    def up(self, *, timeout_s: float, ready: Ready) -> float:
        """Start everything and wait; return the seconds until all was ready.

        Raises:
            DependencyError: a port is taken, or the state directory cannot be written.
            EnvironmentNotReadyError: a process does not come up; carries its log.
        """
        begun = time.monotonic()
        running = self.supervisor.is_running()
        if not running:
            self._prepare()
        specs = self._specs()
        if not running:
            check_ports(specs, self.settings.bind)
            self.supervisor.start(specs)
        for name, seconds in self.supervisor.wait_ready(specs, timeout_s=timeout_s):
            ready(name, seconds)
        return time.monotonic() - begun

    def down(self, *, purge: bool) -> None:
        """Stop the processes and every task; with `purge` delete the state directory."""
        self.supervisor.stop()
        stop_all_tasks(self.settings.aws_dir / "runtime")
        if purge and self.settings.home.exists():
            marker = self.settings.home / "sandbox.json"
            if not marker.exists():
                raise UsageError(
                    f"{self.settings.home.resolve()} is not a sandbox state directory.",
                    hint="SANDBOX_HOME must name the directory that `sandbox up` made.",
                )
            shutil.rmtree(self.settings.home)

    def describe(self) -> dict[str, Any]:
        """Return processes, URLs and load balancers as one JSON-like object."""
        processes = self.supervisor.status()
        return {
            "running": bool(processes),
            "home": str(self.settings.home.resolve()),
            "processes": [
                {"name": p.name, "state": p.state, "pid": p.pid, "uptime_s": p.uptime_s}
                for p in processes
            ],
            "urls": {
                "AWS endpoint": self.settings.aws_url,
                "Harness API": f"{self.settings.harness_url}/gateway",
                "Harness console": self.settings.harness_url,
                "Git": self.settings.git_url,
            },
            "load_balancers": self.load_balancers(),
        }

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

    def _specs(self) -> tuple[ProcessSpec, ...]:
        config = write_cli_config(self.settings.home, self.settings.tf_plugin_dir)
        return stack.process_specs(self.settings, host_environment(), terraform_config=config)

    def _prepare(self) -> None:
        home = self.settings.home
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            marker = {"what": "state directory of the sandbox", "version": 1}
            (home / "sandbox.json").write_text(json.dumps(marker))
        except OSError as error:
            raise DependencyError(
                f"The state directory {home.resolve()} cannot be written: {error.strerror}.",
                hint="Set SANDBOX_HOME to a directory that you may write.",
            ) from error
        CertificateAuthority.open(self.settings.ca_dir)
        write_bootstrap(self.settings.envoy_dir, self.settings.ads_socket)
