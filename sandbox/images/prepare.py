"""Sees to it that every base image is on the engine: what is missing is fetched or made."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Protocol

from sandbox.errors import SandboxError
from sandbox.images.build import Say
from sandbox.images.engine import LocalImage
from sandbox.images.references import registry_of
from sandbox.images.registry import RegistryAwayError
from sandbox.images.stand_ins import KNOWN, Recipe, recipe_of

Deed = Literal["kept", "fetched", "made"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How the images are wanted."""

    stand_in: bool = False
    """Make stand-ins even where a registry answers."""
    refresh: bool = False
    """Fetch or make anew what is there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What became of one image."""

    image: LocalImage
    deed: Deed
    cause: str


class Workshop(Protocol):
    """What the images come from; the engine, but for tests."""

    def look_up(self, name: str) -> LocalImage:
        """Return what the engine has under a name."""

    def pull(self, name: str, say: Say) -> None:
        """Fetch; RegistryAwayError when no registry answers."""

    def recipe_digest(self, recipe: Recipe) -> str:
        """Return the digest of today's recipe."""

    def make(self, recipe: Recipe, say: Say) -> None:
        """Make a stand-in; may be called by several threads."""


def prepare(names: Sequence[str], wish: Wish, workshop: Workshop, say: Say) -> list[Prepared]:
    """Keep, fetch or make each image, in this order of preference.

    Raises:
        SandboxError: an image can neither be fetched nor made; names every such image.
    """
    done: dict[str, Prepared] = {}
    to_make: dict[str, str] = {}
    away: dict[str, str] = {}
    for name in names:
        cause = _kept_because(workshop, name, wish)
        if cause:
            done[name] = Prepared(image=workshop.look_up(name), deed="kept", cause=cause)
        elif wish.stand_in:
            to_make[name] = "asked for"
        elif _fetch(workshop, name, away, say):
            image = workshop.look_up(name)
            done[name] = Prepared(image=image, deed="fetched", cause=registry_of(name))
        else:
            to_make[name] = away[registry_of(name)]
    done |= _make_all(workshop, to_make, say)
    return [done[name] for name in names]


def _kept_because(workshop: Workshop, name: str, wish: Wish) -> str:
    """Return why what is there is good enough, or nothing when it is not."""
    image = workshop.look_up(name)
    recipe = recipe_of(name)
    if image.origin == "missing" or wish.refresh:
        return ""
    if image.origin == "stand-in":
        is_today = recipe is not None and image.recipe == workshop.recipe_digest(recipe)
        return "it is there" if is_today else ""
    return "" if wish.stand_in else "it is there"


def _fetch(workshop: Workshop, name: str, away: dict[str, str], say: Say) -> bool:
    """Fetch an image unless its registry is known to be away; remember when it is."""
    registry = registry_of(name)
    if registry in away:
        return False
    try:
        say(f"{name}: asking {registry}")
        workshop.pull(name, lambda line: say(f"{name}: {line}"))
    except RegistryAwayError as error:
        away[registry] = error.message
        return False
    return True


def _make_all(workshop: Workshop, wanted: Mapping[str, str], say: Say) -> dict[str, Prepared]:
    recipes = {name: recipe_of(name) for name in wanted}
    without = [name for name, recipe in recipes.items() if recipe is None]
    if without:
        reasons = "; ".join(dict.fromkeys(wanted[name] for name in without))
        raise SandboxError(
            f"{', '.join(without)}: no stand-in can be made ({reasons}).",
            hint=f"Prepare it where its registry answers. Stand-ins are known for {KNOWN}.",
        )

    def make(name: str) -> Prepared:
        recipe = recipes[name]
        assert recipe is not None  # noqa: S101  (those without were refused above)
        workshop.make(recipe, lambda line: say(f"{name}: {line}"))
        return Prepared(image=workshop.look_up(name), deed="made", cause=wanted[name])

    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(wanted, pool.map(make, wanted), strict=True))
