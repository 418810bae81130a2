"""Terraform or OpenTofu as the sandbox runs it: found on PATH, providers found offline.

It never writes into the user's folders: a CLI configuration for a provider mirror lies in
the state directory and is named by `TF_CLI_CONFIG_FILE`.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.errors import DependencyError, SandboxError, UsageError, not_writable

Line = Callable[[str], None]

_TERRAFORM_REGISTRY, _TOFU_REGISTRY = "registry.terraform.io", "registry.opentofu.org"
_REGISTRIES = (_TERRAFORM_REGISTRY, _TOFU_REGISTRY)
_PROVIDER = "hashicorp/aws"
_PREFIXES = ("/opt", "/usr/local", "/usr/local/share", "/usr/share", "/srv", "/var/lib")


def find_terraform(path: str | None = None) -> str:
    """Return the path of `terraform` or `tofu`.

    Args:
        path: where to look, as `PATH` says it; by default this process's own.

    Raises:
        DependencyError: neither is there.
    """
    for name in ("terraform", "tofu"):
        found = shutil.which(name, path=path)
        if found:
            return found
    raise DependencyError(
        "Neither terraform nor tofu is on PATH.",
        hint="Install Terraform 1.10 or newer "
        "(https://developer.hashicorp.com/terraform/install) or OpenTofu.",
    )


def find_provider_mirror(
    configured: Path | None, prefixes: Sequence[str] = _PREFIXES
) -> Path | None:
    """Return a directory that holds `registry.terraform.io/hashicorp/aws`, or None.

    Looks at `configured`, else one level below the usual install prefixes. Terraform's own
    implied directories need no help and are not looked at.

    Raises:
        UsageError: `configured` holds no AWS provider.
    """
    if configured is not None:
        if not _is_mirror(configured):
            raise UsageError(
                f"SANDBOX_TF_PLUGIN_DIR={configured} holds no {_REGISTRIES[0]}/{_PROVIDER}.",
                hint=f"Fill it while online: terraform providers mirror {configured}",
            )
        return configured
    for prefix in map(Path, prefixes):
        if not prefix.is_dir():
            continue
        for candidate in sorted(prefix.iterdir()):
            if _is_mirror(candidate):
                return candidate
    return None


def write_cli_config(state_dir: Path, configured: Path | None, own: Path) -> Path | None:
    """Write a CLI configuration for the provider mirror found.

    Args:
        state_dir: where it is written.
        configured: the mirror that the settings name.
        own: the person's own configuration, carried over (credentials, plug-in cache).

    Returns:
        The file; None where there is no mirror, or where the person's own configuration says
        itself how providers are installed.

    Raises:
        DependencyError: the state directory cannot be written.
    """
    mirror = find_provider_mirror(configured)
    if mirror is None:
        return None
    carried = own.read_text() if own.is_file() else ""
    if "provider_installation" in carried:
        return None
    path = (state_dir / "terraform.tfrc").resolve()
    draft = path.with_name(f"terraform.tfrc.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        mirrors = [mirror, *_mirror_for_tofu(mirror, path.with_name("tofu-providers"))]
        draft.write_text(f"{carried}\n{_installation(mirrors)}".lstrip())
        draft.replace(path)
    except OSError as error:
        raise not_writable(state_dir, error) from error
    return path


def _is_mirror(folder: Path) -> bool:
    try:
        return any((folder / registry / _PROVIDER).is_dir() for registry in _REGISTRIES)
    except OSError:
        return False  # a folder that may not be looked into


def _mirror_for_tofu(mirror: Path, place: Path) -> list[Path]:
    """Show a mirror's providers under the registry that OpenTofu means by the same names.

    `hashicorp/aws` is `registry.terraform.io/hashicorp/aws` to Terraform, and
    `registry.opentofu.org/hashicorp/aws` to OpenTofu, which serves the same releases.
    Terraform and OpenTofu follow links only in the place of a package itself.
    Source: OpenTofu CLI documentation, "Explicit Installation Method Configuration".

    Returns:
        `place`, where anything had to be shown.
    """
    source = mirror / _TERRAFORM_REGISTRY
    packages = [*source.glob("*/*/*/*_*"), *source.glob("*/*/terraform-provider-*.zip")]
    if (mirror / _TOFU_REGISTRY).is_dir() or not packages:
        return []
    for package in packages:
        link = place / _TOFU_REGISTRY / package.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            link.symlink_to(package.resolve())
    return [place]


def _installation(mirrors: Sequence[Path]) -> str:
    """Return the block; what the mirrors hold is never looked for on the network."""
    held = sorted(
        "/".join(path.relative_to(mirror).parts)
        for mirror in mirrors
        for registry in _REGISTRIES
        for path in (mirror / registry).glob("*/*")
    )
    blocks = "".join(
        f"  filesystem_mirror {{\n    path = {json.dumps(str(mirror))}\n  }}\n"
        for mirror in mirrors
    )
    return (
        f"provider_installation {{\n{blocks}"
        f"  direct {{\n    exclude = {json.dumps(held)}\n  }}\n"
        "}\n"
    )


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
        self._binary = find_terraform(env.get("PATH"))

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
