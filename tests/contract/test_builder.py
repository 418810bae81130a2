"""`python -m sandbox.aws.builder` as a pipeline step runs it: build, push, then really run."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests
from builder_step import REGISTRY, BuilderStep
from ecr_server import ACCOUNT, EcrServer, serve
from patience import eventually

from sandbox.aws.runtime.port import ContainerSpec, HealthCheck, HealthStatus, TaskSpec
from sandbox.aws.runtime.process import ProcessRuntime

TASK = f"arn:aws:ecs:us-east-1:{ACCOUNT}:task/dev/{'c' * 32}"
BACKEND = Path(__file__).parents[2] / "apps" / "backend"

STATIC_SITE = {
    "Dockerfile": """\
FROM node:20-alpine AS build
ARG APP_VERSION=none
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
RUN npm run build

FROM nginx:alpine
COPY nginx.conf /etc/nginx/nginx.conf
COPY --from=build /app/out /usr/share/nginx/html
EXPOSE 8080
""",
    "package.json": json.dumps(
        {"name": "site", "version": "1.0.0", "scripts": {"build": "node b.mjs"}}
    ),
    "package-lock.json": json.dumps(
        {
            "name": "site",
            "version": "1.0.0",
            "lockfileVersion": 3,
            "packages": {"": {"name": "site", "version": "1.0.0"}},
        }
    ),
    "b.mjs": """\
import { mkdirSync, writeFileSync } from 'fs';
mkdirSync('out/static', { recursive: true });
writeFileSync('out/index.html', `home ${process.env.APP_VERSION}`);
writeFileSync('out/users.html', 'users');
writeFileSync('out/404.html', 'nothing here');
writeFileSync('out/app.webmanifest', '{}');
writeFileSync('out/static/a.1234.js', '1'.repeat(5000));
""",
    "nginx.conf": "events {}",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EcrServer]:
    made = serve(tmp_path / "ecr")
    made.client().create_repository(repositoryName="app")
    yield made
    made.stop()


@pytest.fixture
def builder(server: EcrServer, tmp_path: Path) -> BuilderStep:
    return BuilderStep(
        module="sandbox.aws.builder",
        server=server,
        home=tmp_path / "home",
        more={"SANDBOX_HOME": str(tmp_path / "home")},
    )


@pytest.fixture
def runtime(server: EcrServer, tmp_path: Path) -> Iterator[ProcessRuntime]:
    made = ProcessRuntime(root=tmp_path / "runtime", images=server.plane.images)
    yield made
    for task in made.observe():
        made.remove_task(task.task_arn)


def write_app(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def run(
    runtime: ProcessRuntime, port: int, *health: str, environment: Mapping[str, str] | None = None
) -> str:
    """Run the image `app:v1` and return its URL once it answers."""
    check = HealthCheck(command=health, interval_s=0.2) if health else None
    image = f"{REGISTRY}/app:v1"
    container = ContainerSpec(
        name="web",
        image=image,
        image_digest=runtime.pull(image, ""),
        container_ports=(port,),
        health_check=check,
        environment=environment or {},
    )
    task = runtime.create_task(
        TaskSpec(task_arn=TASK, cluster="dev", family="web", containers=(container,))
    )
    runtime.start_container(TASK, "web")
    url = f"http://{task.address}:{task.ports[port]}"

    def answers() -> bool:
        try:
            requests.get(url, timeout=30)
        except requests.ConnectionError:
            return False
        return True

    eventually(answers)
    return url


def test_backend_is_built_pushed_and_serves_healthily(
    builder: BuilderStep, server: EcrServer, runtime: ProcessRuntime
) -> None:
    done = builder("app", BACKEND, PLUGIN_TAGS="v1,latest")
    assert done.returncode == 0, done.stdout + done.stderr
    (detail,) = server.client().describe_images(repositoryName="app")["imageDetails"]
    assert sorted(detail["imageTags"]) == ["latest", "v1"]
    assert builder.artifact() == {
        "kind": "docker/v1",
        "data": {
            "registryType": "ECR",
            "registryUrl": REGISTRY,
            "images": [
                {"image": "app:v1", "digest": detail["imageDigest"]},
                {"image": "app:latest", "digest": detail["imageDigest"]},
            ],
        },
    }
    url = run(runtime, 5000, "CMD", "python", "healthcheck.py", environment={"APP_VERSION": "9"})
    answer = requests.get(f"{url}/api/health", timeout=30)
    assert answer.json()["version"] == "9"
    eventually(lambda: runtime.observe()[0].containers[0].health is HealthStatus.HEALTHY)


def test_unchanged_app_keeps_its_digest_and_a_change_keeps_the_packages_layer(
    builder: BuilderStep, server: EcrServer, tmp_path: Path
) -> None:
    app = tmp_path / "app"
    shutil.copytree(BACKEND, app, ignore=shutil.ignore_patterns("tests", "reports", ".*_cache"))
    assert builder("app", app, PLUGIN_TAGS="one").returncode == 0
    shutil.rmtree(builder.home)
    assert builder("app", app, PLUGIN_TAGS="again").returncode == 0
    (app / "wsgi.py").write_text((app / "wsgi.py").read_text() + "# changed\n")
    changed = builder("app", app, PLUGIN_TAGS="two")
    assert changed.stdout.count("is there already") == 1
    digests = {
        tag: detail["imageDigest"]
        for detail in server.client().describe_images(repositoryName="app")["imageDetails"]
        for tag in detail["imageTags"]
    }
    assert digests["one"] == digests["again"]
    assert digests["one"] != digests["two"]


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs node and npm on PATH")
def test_static_site_is_built_with_node_and_served_as_nginx_would(
    builder: BuilderStep, runtime: ProcessRuntime, tmp_path: Path
) -> None:
    app = write_app(tmp_path / "site", STATIC_SITE)
    done = builder("app", app, PLUGIN_BUILD_ARGS="APP_VERSION=abc123,OTHER=x")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "/etc/nginx/nginx.conf is left out" in done.stdout
    url = run(runtime, 8080)

    def get(path: str, **headers: str) -> requests.Response:
        return requests.get(url + path, headers=headers, timeout=30)

    assert get("/").text == "home abc123"
    assert get("/users").text == "users"
    missing = get("/nope")
    assert (missing.status_code, missing.text) == (404, "nothing here")
    assert get("/").headers["Cache-Control"] == "no-cache"
    asset = get("/static/a.1234.js")
    assert "immutable" in asset.headers["Cache-Control"]
    assert asset.headers["Content-Encoding"] == "gzip"
    assert get("/app.webmanifest").headers["Content-Type"] == "application/manifest+json"
    tag = get("/").headers["ETag"]
    assert get("/", **{"If-None-Match": tag}).status_code == 304
    get("/probe", **{"User-Agent": "ELB-HealthChecker/2.0"})
    get("/logged")
    eventually(lambda: any("/logged" in line for line in logged(runtime)))
    assert not any("/probe" in line for line in logged(runtime))


def logged(runtime: ProcessRuntime) -> list[str]:
    return [line.message for line in runtime.read_log(TASK, "web", 0).lines]


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs node and npm on PATH")
def test_failing_build_script_ends_with_its_output(builder: BuilderStep, tmp_path: Path) -> None:
    files = {**STATIC_SITE, "b.mjs": "console.log('type error in users.tsx'); process.exit(3)"}
    done = builder("app", write_app(tmp_path / "site", files))
    assert done.returncode == 1
    assert "type error in users.tsx" in done.stdout
    assert "npm run build ended with exit code" in done.stdout


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        (
            "FROM python:3.11\nRUN apt-get install -y gcc\n",
            "Dockerfile: line 2: RUN apt-get install -y gcc: needs a container engine",
        ),
        ("FROM python:3.11\nCOPY missing.txt /\n", "'missing.txt' is not in the build context"),
        (
            "FROM python:3.11\nRUN pip install -r requirements.txt\n",
            "requirements.txt is not there",
        ),
        ("FROM python:3.11\nCOPY ../secret /\n", "'../secret' is outside the context"),
        ("FORM python\n", "line 1: unknown instruction FORM"),
    ],
    ids=["engine", "missing-file", "missing-requirements", "outside", "malformed"],
)
def test_refusal_names_the_file_the_line_and_the_reason(
    builder: BuilderStep, server: EcrServer, tmp_path: Path, dockerfile: str, words: str
) -> None:
    done = builder("app", write_app(tmp_path / "app", {"Dockerfile": dockerfile}))
    assert done.returncode == 1
    assert words in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert server.client().list_images(repositoryName="app")["imageIds"] == []


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ({"PLUGIN_REPO": "nope"}, "The repository with name 'nope' does not exist"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "ECR gave no authorization token"),
        ({"PLUGIN_TAGS": ""}, "PLUGIN_TAGS: at least one tag is needed"),
        ({"PLUGIN_DOCKERFILE": "/no/Dockerfile"}, "/no/Dockerfile: No such file"),
        ({"PLUGIN_TARGET": "nope"}, "no stage is named 'nope'"),
    ],
    ids=["no-repository", "no-endpoint", "no-tag", "no-dockerfile", "no-stage"],
)
def test_wrong_settings_are_told(
    builder: BuilderStep, tmp_path: Path, plugin: dict[str, str], words: str
) -> None:
    app = write_app(tmp_path / "app", {"Dockerfile": "FROM python:3.11\nCOPY . /app\n", "a": "x"})
    done = builder("app", app, **plugin)
    assert done.returncode != 0
    assert words in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_immutable_tag_refuses_the_push(
    builder: BuilderStep, server: EcrServer, tmp_path: Path
) -> None:
    server.client().put_image_tag_mutability(repositoryName="app", imageTagMutability="IMMUTABLE")
    app = write_app(tmp_path / "app", {"Dockerfile": "FROM python:3.11\nCOPY . /app\n", "a": "x"})
    assert builder("app", app).returncode == 0
    (app / "a").write_text("changed")
    done = builder("app", app)
    assert done.returncode == 1
    assert "TAG_INVALID: The image tag 'v1' already exists in the 'app' repository" in done.stdout


UV_PROJECT = {
    "pyproject.toml": """\
[project]
name = "greeter"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["click==8.1.8"]
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
""",
    "greeter.py": "import click, sys\nprint('greeter with click', click.__name__, flush=True)\n",
    "requirements.txt": "click==8.1.8\n",
}


@pytest.mark.parametrize(
    ("lines", "command"),
    [
        (
            (
                "COPY pyproject.toml uv.lock ./\n"
                "RUN uv sync --frozen --no-dev --no-install-project\n"
                "ENV PATH=/app/.venv/bin:$PATH\nCOPY . ."
            ),
            "python greeter.py",
        ),
        ("COPY . .\nRUN uv sync --locked\nENV PATH=/app/.venv/bin:$PATH", "python -m greeter"),
        ("COPY . .\nRUN pip install .", "python -c 'import greeter'"),
        ("COPY . .\nRUN pip install -r requirements.txt", "python greeter.py"),
        (
            (
                "COPY . .\nRUN pip install --user -r requirements.txt\n"
                "FROM python:3.11\nWORKDIR /app\nCOPY --from=0 /root/.local /root/.local\n"
                "COPY --from=0 /app .\nENV PATH=/root/.local/bin:$PATH"
            ),
            "python greeter.py",
        ),
        (
            (
                "COPY . .\nRUN pip install --prefix=/install -r requirements.txt\n"
                "FROM python:3.11\nCOPY --from=0 /install /usr/local\nCOPY --from=0 /app /app"
            ),
            "python /app/greeter.py",
        ),
    ],
    ids=["uv-sync", "uv-sync-project", "pip-project", "system", "user", "prefix"],
)
def test_usual_ways_to_install_packages_work(
    builder: BuilderStep, runtime: ProcessRuntime, tmp_path: Path, lines: str, command: str
) -> None:
    dockerfile = f"FROM python:3.11-slim\nWORKDIR /app\n{lines}\nCMD {command}\n"
    app = write_app(tmp_path / "app", {**UV_PROJECT, "Dockerfile": dockerfile})
    lock = ["lock", "--directory", str(app), "--quiet"]
    subprocess.run([str(Path(sys.executable).with_name("uv")), *lock], check=True)
    done = builder("app", app)
    assert done.returncode == 0, done.stdout + done.stderr
    image = f"{REGISTRY}/app:v1"
    spec = ContainerSpec(name="web", image=image, image_digest=runtime.pull(image, ""))
    runtime.create_task(TaskSpec(task_arn=TASK, cluster="dev", family="web", containers=(spec,)))
    runtime.start_container(TASK, "web")
    eventually(lambda: bool(logged(runtime)))
    assert logged(runtime) == ["greeter with click click"]
