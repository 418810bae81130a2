"""Every example of docs/testing.md does what the page says, run as its reader would run it."""

import re
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException, ImageNotFound
from testing_project import PAGE, ROOT, examples, pytest_run, write_examples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_examples(tmp_path_factory.mktemp("examples"))


def names_of(test_file: str) -> list[str]:
    return re.findall(r"^def (test_\w+)", examples()[test_file], re.MULTILINE)


@pytest.fixture(scope="session")
def image() -> str:
    """The sandbox's image of this version; built here where nobody has built it yet."""
    from sandbox.testing.container import default_image

    try:
        engine = docker.from_env(timeout=600)
        engine.ping()
    except DockerException as error:
        pytest.skip(f"no container engine answers: {error}")
    name = default_image()
    try:
        engine.images.get(name)
    except ImageNotFound:
        try:
            engine.images.build(path=str(ROOT), tag=name, rm=True)
        except DockerException as error:
            pytest.skip(f"{name} cannot be built here: {error}")
    finally:
        engine.close()
    return name


@pytest.mark.parametrize("test_file", ["test_orders.py", "test_delivery.py"])
def test_an_example_passes(folder: Path, test_file: str) -> None:
    check(folder, test_file)


def test_the_example_in_a_container_passes(folder: Path, image: str) -> None:
    assert image
    check(folder, "test_container.py", TESTCONTAINERS_RYUK_DISABLED="true")


def check(folder: Path, test_file: str, **variables: str) -> None:
    outcome = pytest_run(folder, test_file, "-W", "error", **variables)
    expected = dict.fromkeys(names_of(test_file), "PASSED")
    assert outcome.tests == expected, outcome.output
    assert expected, "the page has this example"


def test_every_file_of_the_page_is_run() -> None:
    assert [name for name in examples() if name.startswith("test_")] == [
        "test_orders.py",
        "test_delivery.py",
        "test_container.py",
    ]


def test_every_block_of_python_compiles() -> None:
    blocks = re.findall(r"^```python[^\n]*\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    for block in blocks:
        compile(block, str(PAGE), "exec")
