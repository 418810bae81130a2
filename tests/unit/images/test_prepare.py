from collections.abc import Mapping
from dataclasses import replace

import pytest

from sandbox.errors import SandboxError
from sandbox.images.engine import LocalImage, Origin
from sandbox.images.prepare import Prepared, Wish, prepare
from sandbox.images.registry import RegistryAwayError
from sandbox.images.stand_ins import Recipe


class Machine:
    """An engine and its registries, in memory."""

    def __init__(self, there: Mapping[str, Origin], *, served: set[str] | None = None) -> None:
        self.served = served
        self.asked: list[str] = []
        self.images = {
            name: LocalImage(name=name, origin=origin, id="i", recipe="today")
            for name, origin in there.items()
        }

    def look_up(self, name: str) -> LocalImage:
        return self.images.get(name, LocalImage(name=name, origin="missing"))

    def pull(self, name: str, say: object) -> None:
        self.asked.append(name)
        if self.served is None:
            raise RegistryAwayError("docker.io does not answer")
        if name not in self.served:
            raise SandboxError(f"{name}: no such image")
        self.images[name] = LocalImage(name=name, origin="registry", id="r")

    def recipe_digest(self, recipe: Recipe) -> str:
        return "today"

    def make(self, recipe: Recipe, say: object) -> None:
        self.images[recipe.image] = LocalImage(name=recipe.image, origin="stand-in", id="s")


def _deeds(machine: Machine, names: list[str], wish: Wish | None = None) -> list[tuple[str, str]]:
    done: list[Prepared] = prepare(names, wish or Wish(), machine, lambda _line: None)
    return [(p.image.name, p.deed) for p in done]


@pytest.mark.parametrize("origin", ["registry", "stand-in", "local"])
def test_what_is_there_is_kept_without_asking_a_registry(origin: Origin) -> None:
    machine = Machine({"nginx:alpine": origin}, served={"nginx:alpine"})
    assert _deeds(machine, ["nginx:alpine"]) == [("nginx:alpine", "kept")]
    assert machine.asked == []


def test_what_is_missing_is_fetched() -> None:
    machine = Machine({}, served={"redis:7"})
    assert _deeds(machine, ["redis:7"]) == [("redis:7", "fetched")]


def test_without_a_registry_stand_ins_are_made_and_each_registry_is_asked_once() -> None:
    machine = Machine({})
    names = ["python:3.11-slim", "node:18-alpine", "nginx:alpine"]
    assert _deeds(machine, names) == [(name, "made") for name in names]
    assert machine.asked == ["python:3.11-slim"]


def test_stand_ins_can_be_asked_for_in_place_of_what_the_registry_gave() -> None:
    machine = Machine({"nginx:alpine": "registry"}, served={"nginx:alpine"})
    assert _deeds(machine, ["nginx:alpine"], Wish(stand_in=True)) == [("nginx:alpine", "made")]
    assert machine.asked == []


def test_a_stand_in_of_an_older_recipe_is_made_anew() -> None:
    machine = Machine({"nginx:alpine": "stand-in"})
    machine.images["nginx:alpine"] = replace(machine.images["nginx:alpine"], recipe="older")
    assert _deeds(machine, ["nginx:alpine"]) == [("nginx:alpine", "made")]


def test_refreshing_replaces_a_stand_in_by_the_real_image() -> None:
    machine = Machine({"nginx:alpine": "stand-in"}, served={"nginx:alpine"})
    assert _deeds(machine, ["nginx:alpine"], Wish(refresh=True)) == [("nginx:alpine", "fetched")]


def test_an_image_that_can_neither_be_fetched_nor_made_is_named_before_anything_is_made() -> None:
    machine = Machine({})
    with pytest.raises(SandboxError, match=r"redis:7, mysql:8: no stand-in can be made \(docker"):
        _deeds(machine, ["nginx:alpine", "redis:7", "mysql:8"])
    assert machine.images == {}


def test_a_registry_that_answers_and_has_no_such_image_is_no_reason_for_a_stand_in() -> None:
    machine = Machine({}, served=set())
    with pytest.raises(SandboxError, match="no such image"):
        _deeds(machine, ["nginx:alpine"])
