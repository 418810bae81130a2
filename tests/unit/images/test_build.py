from pathlib import Path

from sandbox.images.build import ImageBuild, build_words


def test_the_docker_command_gets_every_part_of_the_build() -> None:
    wanted = ImageBuild(
        context=Path("apps/web"),
        dockerfile=Path("apps/web/Dockerfile"),
        tags=("web:1", "web:2"),
        build_args={"A": "1"},
        labels={"l": "x y"},
        target="runtime",
    )
    assert build_words(wanted, Path("id")) == [
        *("build", "--progress=plain", "--iidfile", "id", "--file", "apps/web/Dockerfile"),
        *("--tag", "web:1", "--tag", "web:2", "--build-arg", "A=1", "--label", "l=x y"),
        *("--target", "runtime", "apps/web"),
    ]
