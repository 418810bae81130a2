"""Terraform or OpenTofu as the sandbox runs it: found on PATH, providers found offline.

It never writes into the user's folders: a CLI configuration for a provider mirror lies in
the state directory and is named by `TF_CLI_CONFIG_FILE`.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.errors import DependencyError, SandboxError

Line = Callable[[str], None]

_PROVIDER = Path("registry.terraform.io/hashicorp/aws")
_PREFIXES = ("/opt", "/usr/local", "/usr/local/share", "/usr/share", "/srv", "/var/lib")


def find_terraform() -> str:
    """Return the path of `terraform` or `tofu`.

    Raises:
        DependencyError: neither is on PATH.
    """
    for name in ("terraform", "tofu"):
        found = shutil.which(name)
        if found:
            return found
    message = "Neither terraform nor tofu is on PATH."
    hint = (
        "Install Terraform >= 1.10 (https://developer.hashicorp.com/terraform/install) or OpenTofu."
    )
    raise DependencyError(message, hint=hint)


def find_provider_mirror(configured: Path | None) -> Path | None:
    """Return a directory that holds `registry.terraform.io/hashicorp/aws`, or None.

    Looks at `configured`, then one level below the usual install prefixes. Terraform's own
    implied directories need no help and are not looked at.
    """
    if configured is not None:
        return configured if (configured / _PROVIDER).is_dir() else None
    for prefix in map(Path, _PREFIXES):
        if not prefix.is_dir():
            continue
        for candidate in sorted(prefix.iterdir()):
            if (candidate / _PROVIDER).is_dir():
                return candidate
    return None


def write_cli_config(state_dir: Path, configured: Path | None) -> Path | None:
    """Write a CLI configuration for the provider mirror found; None where there is none."""
    mirror = find_provider_mirror(configured)
    if mirror is None:
        return None
    path = (state_dir / "terraform.tfrc").resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path = {json.dumps(str(mirror))}\n  }}\n"
        '  direct {\n    exclude = ["registry.terraform.io/hashicorp/aws"]\n  }\n'
        "}\n"
    )
    return path


class Terraform:
    """Runs one root module under a given environment.

    Args:
        folder: the root module.
        env: the whole environment of the process (see `environments.Switch.apply`).
        data_dir: where `.terraform` lives, outside the user's tree.
        line: receives each line of output, for progress and logs.
    """

    def __init__(self, folder: Path, *, env: Mapping[str, str], data_dir: Path, line: Line) -> None:
        self._folder = folder
        self._env = {**env, "TF_DATA_DIR": str(data_dir.resolve()), "TF_IN_AUTOMATION": "1"}
        self._line = line
        self._binary = find_terraform()

    def init(self, *arguments: str) -> None:
        """Install providers and configure the backend; safe to repeat."""
        self._run("init", "-input=false", "-no-color", "-reconfigure", *arguments)

    def apply(self, *arguments: str) -> None:
        """Apply without asking."""
        self._run("apply", "-input=false", "-no-color", "-auto-approve", *arguments)

    def destroy(self, *arguments: str) -> None:
        """Destroy without asking."""
        self._run("destroy", "-input=false", "-no-color", "-auto-approve", *arguments)

    def plan_is_empty(self) -> bool:
        """Run `plan -detailed-exitcode`; True when nothing would change."""
        code = self._run("plan", "-input=false", "-no-color", "-detailed-exitcode", allowed=(0, 2))
        return code == 0

    def outputs(self) -> dict[str, object]:
        """Return output values by name."""
        done = subprocess.run(
            [self._binary, "output", "-json", "-no-color"],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SandboxError(f"terraform output failed in {self._folder}: {done.stderr.strip()}")
        return {name: item["value"] for name, item in json.loads(done.stdout).items()}

    def _run(self, command: str, *arguments: str, allowed: tuple[int, ...] = (0,)) -> int:
        process = subprocess.Popen(
            [self._binary, command, *arguments],
            cwd=self._folder,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        tail: list[str] = []
        with process:
            for line in process.stdout or ():
                text = line.rstrip()
                self._line(text)
                tail = [*tail[-60:], text]
        if process.returncode not in allowed:
            text = "\n".join(tail)
            raise SandboxError(f"terraform {command} failed in {self._folder}:\n{text}")
        return process.returncode
