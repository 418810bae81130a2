"""Makes stand-ins on the engine: root file system, base, then each image; it decides nothing."""

import io
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from sandbox.errors import DependencyError, SandboxError
from sandbox.images.build import Builder, ImageBuild
from sandbox.images.debian import SUITE, debootstrap_words, make_root_file_system
from sandbox.images.engine import RECIPE_LABEL, STAND_IN_LABEL, drop_nameless, look_up
from sandbox.images.stand_ins import RECIPES_DIR, Recipe, digest_of, files_of

Say = Callable[[str], None]

_OWN = "sandbox-stand-in"
_HOST_CERTIFICATES = Path("/usr/local/share/ca-certificates")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class Foundry:
    """Makes stand-ins with what this machine has; thread-safe."""

    def __init__(
        self,
        client: docker.DockerClient,
        builder: Builder,
        environment: Mapping[str, str],
        *,
        fresh: bool = False,
    ) -> None:
        """Take `fresh` to begin from today's packages, whatever is there from earlier."""
        self._client = client
        self._builder = builder
        self._environment = environment
        self._fresh = fresh
        self._base_lock = threading.Lock()
        base = files_of(RECIPES_DIR / "base")
        # What this machine trusts beyond the public authorities, its images must trust too.
        self._certificates = {
            path.name: path.read_bytes() for path in sorted(_HOST_CERTIFICATES.glob("*.crt"))
        }
        self._root_digest = digest_of(*debootstrap_words(Path(), [], []))
        self._base_digest = digest_of(self._root_digest, base, self._certificates)

    def recipe_digest(self, recipe: Recipe) -> str:
        """Return what the stand-in's recipe label must hold to be of today's recipe."""
        return digest_of(self._base_digest, files_of(recipe.folder), recipe.node, recipe.npm)

    def make(self, recipe: Recipe, say: Say) -> None:
        """Make one stand-in and give it its name.

        Raises:
            SandboxError: a package cannot be had, or a program is missing.
        """
        with self._base_lock:
            base = self._base(say)
        with tempfile.TemporaryDirectory(prefix="sandbox-stand-in-") as folder:
            context = Path(folder)
            _write(context, files_of(recipe.folder))
            if recipe.node:
                self._fetch_node(recipe, context, say)
            labels = {STAND_IN_LABEL: recipe.image, RECIPE_LABEL: self.recipe_digest(recipe)}
            earlier = look_up(self._client, recipe.image)
            self._build(context, recipe.image, base, say, labels)
            if earlier.origin == "stand-in":
                drop_nameless(self._client, earlier.id)

    def _base(self, say: Say) -> str:
        name = f"{_OWN}:base-{self._base_digest}"
        if self._has(name) and not self._fresh:
            return name
        root = f"{_OWN}:root-{SUITE}-{self._root_digest}"
        if self._fresh or not self._has(root):
            self._import_root(root, say)
        self._fresh = False
        with tempfile.TemporaryDirectory(prefix="sandbox-stand-in-") as folder:
            context = Path(folder)
            _write(context, files_of(RECIPES_DIR / "base"))
            (context / "ca").mkdir()
            # An empty folder would not be copied by the classic builder.
            _write(context / "ca", {".keep": b"", **self._certificates})
            self._build(context, name, root, say, {})
        self._drop_superseded({name, root})
        return name

    def _drop_superseded(self, current: set[str]) -> None:
        """Take earlier bases off the engine; the layers that images still use stay."""
        for image in self._client.images.list(name=_OWN):
            for tag in set(image.tags) - current:
                with suppress(APIError):
                    self._client.api.remove_image(tag)

    def _import_root(self, name: str, say: Say) -> None:
        with tempfile.TemporaryDirectory(prefix="sandbox-stand-in-") as folder:
            archive = Path(folder, "root.tar")
            make_root_file_system(archive, self._environment, say)
            say("importing the root file system")
            repository, tag = name.split(":")
            try:
                self._client.api.import_image(
                    src=str(archive),
                    repository=repository,
                    tag=tag,
                    changes=[f"ENV {_PATH}", 'CMD ["bash"]'],
                )
            except DockerException as error:
                raise SandboxError(f"The engine took no root file system: {error}") from error

    def _build(
        self, context: Path, name: str, base: str, say: Say, labels: Mapping[str, str]
    ) -> None:
        proxies = {key: self._environment[key] for key in _PROXIES if key in self._environment}
        build = ImageBuild(
            context=context,
            dockerfile=context / "Dockerfile",
            tags=(name,),
            build_args={"BASE": base, **proxies},
            labels=labels,
            host_network=True,
        )
        self._builder.build(build, say)

    def _fetch_node(self, recipe: Recipe, context: Path, say: Say) -> None:
        machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
        architecture = machine.get(str(self._client.info()["Architecture"]))
        if architecture is None:
            raise SandboxError(f"{recipe.image}: npm has no Node.js for this architecture.")
        say(f"fetching Node.js {recipe.node} and npm {recipe.npm}")
        program = self._npm_pack(f"node-linux-{architecture}@{recipe.node}", context)
        unpack(program, {"package/bin/node": context / "node/bin/node"})
        tools = self._npm_pack(f"npm@{recipe.npm}", context)
        unpack(tools, {"package": context / "node/lib/node_modules/npm"})
        for archive in (program, tools):
            archive.unlink()

    def _npm_pack(self, package: str, folder: Path) -> Path:
        npm = shutil.which("npm", path=self._environment.get("PATH"))
        if npm is None:
            raise DependencyError(
                "npm is missing: the stand-in of the node image is made with it.",
                hint="Install Node.js 18 or newer, or run this where a registry can be reached.",
            )
        done = subprocess.run(
            [npm, "pack", "--silent", "--pack-destination", str(folder), package],
            cwd=folder,
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SandboxError(f"npm pack {package}: {done.stderr.strip()[-800:]}")
        return folder / done.stdout.strip().splitlines()[-1]

    def _has(self, name: str) -> bool:
        try:
            self._client.images.get(name)
        except ImageNotFound:
            return False
        return True


def unpack(archive: Path, wanted: Mapping[str, Path]) -> None:
    """Unpack members of an npm archive to other places; a folder brings all below it."""
    with tarfile.open(archive) as packed:
        for member in packed:
            for prefix, target in wanted.items():
                if member.isfile() and f"{member.name}/".startswith(f"{prefix}/"):
                    path = target / member.name[len(prefix) + 1 :]
                    if not path.resolve().is_relative_to(target.resolve()):
                        raise SandboxError(f"{archive.name}: {member.name} leaves its folder")
                    _extract(packed, member, path)


def _extract(packed: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = packed.extractfile(member) or io.BytesIO()
    path.parent.mkdir(parents=True, exist_ok=True)
    with source, path.open("wb") as file:
        shutil.copyfileobj(source, file)
    path.chmod(0o755 if member.mode & 0o100 or path.parent.name == "bin" else 0o644)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)
