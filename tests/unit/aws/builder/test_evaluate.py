from pathlib import Path

import pytest

from sandbox.aws.builder.errors import BuildRefusedError, DockerfileError
from sandbox.aws.builder.evaluate import plan_build
from sandbox.aws.builder.plan import (
    BuildPlan,
    Copy,
    MakeVenv,
    Note,
    NpmInstall,
    NpmRun,
    PipInstall,
    Remove,
    Step,
    UvSync,
)
from sandbox.aws.builder.runs import SYSTEM_VENV

APPS = Path(__file__).parents[4] / "apps"


def plan(*lines: str, **options: object) -> BuildPlan:
    return plan_build("\n".join(lines), **options)  # type: ignore[arg-type]


def python_steps(*lines: str) -> list[Step]:
    return list(plan("FROM python:3.12-slim", "WORKDIR /app", *lines).final.steps)


@pytest.mark.parametrize("app", ["backend", "frontend"])
def test_the_workshops_own_dockerfiles_are_honoured(app: str) -> None:
    found = plan_build((APPS / app / "Dockerfile").read_text())
    kinds = {"backend": "python", "frontend": "nginx"}
    assert found.final.base.kind == kinds[app]
    assert found.final.settings.health_check is not None
    assert found.final.settings.user not in {"", "0", "root"}


def test_declarations_become_settings() -> None:
    settings = plan(
        "FROM python:3.12",
        "ARG VERSION=1",
        "ENV A=$VERSION B=${A:-none}",
        "WORKDIR /srv",
        "WORKDIR app",
        "EXPOSE 5000 53/udp",
        "USER 1000:1000",
        "LABEL team=a",
        "VOLUME /data",
        "STOPSIGNAL SIGINT",
        "HEALTHCHECK --interval=1m30s --timeout=500ms --retries=2 CMD python check.py",
        'ENTRYPOINT ["gunicorn"]',
        'CMD ["app:app"]',
    ).final.settings
    assert settings.environment["A"] == "1"
    assert settings.environment["B"] == "none"
    assert settings.workdir == "/srv/app"
    assert settings.exposed == ("5000/tcp", "53/udp")
    assert (settings.user, settings.labels) == ("1000:1000", {"team": "a"})
    assert (settings.volumes, settings.stop_signal) == (("/data",), "SIGINT")
    assert settings.health_check == {
        "Test": ["CMD-SHELL", "python check.py"],
        "Interval": 90_000_000_000,
        "Timeout": 500_000_000,
        "Retries": 2,
    }
    assert (settings.entry_point, settings.command) == (("gunicorn",), ("app:app",))


def test_build_arguments_reach_the_base_and_the_scripts() -> None:
    found = plan(
        "ARG NODE=node:18",
        "FROM $NODE AS build",
        "ARG APP_VERSION=none",
        "RUN npm ci && npm run build",
        "FROM nginx:alpine",
        "COPY --from=build /out /usr/share/nginx/html",
        build_args={"NODE": "node:20-alpine", "APP_VERSION": "abc"},
    )
    build = found.stages[0]
    assert (build.base.image, build.base.version) == ("node:20-alpine", "20")
    install, run = build.steps
    assert isinstance(install, NpmInstall)
    assert isinstance(run, NpmRun)
    assert run.environment["APP_VERSION"] == "abc"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["RUN pip install --no-cache-dir -r requirements.txt"], SYSTEM_VENV),
        (["RUN python3 -m pip install -r requirements.txt"], SYSTEM_VENV),
        (["RUN python -m venv /v && /v/bin/pip install -r requirements.txt"], "/v"),
        (["RUN python -m venv /v", "ENV PATH=/v/bin:$PATH", "RUN pip install a"], "/v"),
        (["RUN pip install --user -r requirements.txt"], "/root/.local"),
        (["RUN pip install --prefix=/install -r requirements.txt"], "/install"),
        (["RUN uv pip install --system -r requirements.txt"], SYSTEM_VENV),
        (["ENV VIRTUAL_ENV=/v", "RUN uv venv /v && uv pip install a"], "/v"),
    ],
)
def test_packages_go_where_the_dockerfile_puts_them(lines: list[str], expected: str) -> None:
    install = python_steps(*lines)[-1]
    assert isinstance(install, PipInstall)
    assert install.venv == expected


def test_pip_arguments_are_taken_apart() -> None:
    (step,) = python_steps("RUN pip install -rbase.txt --index-url=https://x/ 'flask>=3' uv pip")
    assert isinstance(step, PipInstall)
    assert step.requirements == ("/app/base.txt",)
    assert step.packages == ("flask>=3",)
    assert step.options == ("--index-url", "https://x/")


def test_uv_sync_makes_the_projects_environment() -> None:
    (step,) = python_steps("RUN --mount=type=cache,target=/c uv sync --frozen --no-dev")
    assert isinstance(step, UvSync)
    assert (step.venv, step.options) == ("/app/.venv", ("--frozen", "--no-dev"))


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("RUN useradd -m app && chown -R app /app", Note),
        ("RUN pip install --upgrade pip setuptools", Note),
        ("RUN python -m compileall .", Note),
        ("RUN set -eux; true", Note),
        ("RUN rm -rf /app/tests", Remove),
        ("COPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/", Note),
    ],
)
def test_lines_without_meaning_here_are_told_not_refused(line: str, kind: type[Step]) -> None:
    assert isinstance(python_steps(line)[0], kind)


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        (["RUN apt-get update"], "line 3: RUN apt-get update: needs a container engine"),
        (["RUN curl -sSL x | sh"], "shell syntax '|' needs a container engine"),
        (["RUN pip install $(cat list)"], "command substitution"),
        (["RUN npm ci"], "npm outside a node stage"),
        (["RUN pip install git+https://x/y"], "pip install git+https://x/y"),
        (["COPY --from=busybox /bin/sh /sh"], "--from=busybox is no earlier stage"),
        (["ADD https://x/y.tgz /y"], "ADD of an archive or URL"),
        (["RUN --mount=type=secret,id=s pip install a"], "type=secret"),
        (["ONBUILD RUN x"], "ONBUILD RUN x: needs a container engine"),
        (["EXPOSE http"], "http/tcp is not a port"),
    ],
)
def test_what_needs_an_engine_is_refused_with_its_line(lines: list[str], refused: str) -> None:
    with pytest.raises(BuildRefusedError) as caught:
        python_steps(*lines)
    assert refused in caught.value.message


def test_all_refusals_come_at_once() -> None:
    with pytest.raises(BuildRefusedError) as caught:
        python_steps("RUN apt-get update && make", "RUN wget x")
    assert [(r.line, r.text) for r in caught.value.refusals] == [
        (3, "RUN apt-get update"),
        (3, "RUN make"),
        (4, "RUN wget x"),
    ]


@pytest.mark.parametrize(
    "base", ["debian:12", "node:20", "ghcr.io/x/y:1", "gcr.io/distroless/base"]
)
def test_other_final_bases_need_an_engine(base: str) -> None:
    with pytest.raises(BuildRefusedError, match="needs a container engine"):
        plan(f"FROM {base}", "CMD x")


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("python:3.11-slim", "3.11"),
        ("public.ecr.aws/docker/library/python:3.12.4", "3.12"),
        ("python:3-slim", ""),
        ("python@sha256:" + "0" * 64, ""),
    ],
)
def test_python_version_is_read_from_the_tag(image: str, version: str) -> None:
    assert plan(f"FROM {image}").final.base.version == version


def test_stages_that_the_target_does_not_need_are_not_judged() -> None:
    lines = (
        "FROM python:3.12 AS base",
        "FROM base AS lint",
        "RUN apt-get update",
        "FROM base AS runtime",
        "COPY . /app",
        "FROM debian AS tools",
    )
    found = plan(*lines, target="runtime")
    assert [stage.name for stage in found.stages] == ["base", "runtime"]
    assert found.final.parent == "base"
    with pytest.raises(DockerfileError, match="no stage is named 'nope'"):
        plan(*lines, target="nope")


def test_child_stage_inherits_settings_and_environments() -> None:
    found = plan(
        "FROM python:3.12 AS base",
        "RUN python -m venv /v",
        "ENV PATH=/v/bin:$PATH",
        "FROM base",
        "RUN pip install flask",
    )
    assert isinstance(found.stages[0].steps[0], MakeVenv)
    (install,) = found.final.steps
    assert isinstance(install, PipInstall)
    assert install.venv == "/v"


@pytest.mark.parametrize(
    ("line", "destination", "into_folder"),
    [
        ("COPY a b", "/app/b", False),
        ("COPY a .", "/app", True),
        ("COPY a b/", "/app/b", True),
        ("COPY a c /x", "/x", True),
        ("COPY --chown=1:1 --chmod=755 a /x/../y", "/y", False),
    ],
)
def test_copy_destinations(line: str, destination: str, into_folder: bool) -> None:
    (step,) = python_steps(line)
    assert isinstance(step, Copy)
    assert (step.destination, step.into_folder) == (destination, into_folder)
