"""The engine, its registries and the foundry behind one face, for `prepare`."""

from collections.abc import Mapping
from functools import cached_property

from sandbox.container_engine import connect
from sandbox.images import engine, registry
from sandbox.images.build import Say, choose_builder
from sandbox.images.engine import LocalImage
from sandbox.images.foundry import Foundry
from sandbox.images.stand_ins import Recipe


class EngineWorkshop:
    """What `prepare` needs, by the engine that answers here."""

    def __init__(self, environment: Mapping[str, str], *, fresh: bool = False) -> None:
        """Connect; raises DependencyError when no engine answers."""
        self._environment = environment
        self._fresh = fresh
        self._client = connect(environment, timeout_s=engine.BUILD_TIMEOUT_S)

    def look_up(self, name: str) -> LocalImage:
        """Return what the engine has under a name."""
        return engine.look_up(self._client, name)

    def pull(self, name: str, say: Say) -> None:
        """Fetch an image."""
        impatient = connect(self._environment, timeout_s=registry.SILENCE_S)
        registry.pull(impatient, name, say)

    def recipe_digest(self, recipe: Recipe) -> str:
        """Return the digest of today's recipe."""
        return self._foundry.recipe_digest(recipe)

    def make(self, recipe: Recipe, say: Say) -> None:
        """Make a stand-in."""
        self._foundry.make(recipe, say)

    @cached_property
    def _foundry(self) -> Foundry:
        builder = choose_builder(self._client, self._environment)
        return Foundry(self._client, builder, self._environment, fresh=self._fresh)
