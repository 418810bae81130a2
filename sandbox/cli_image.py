"""`sandbox image ...`: build images without a container engine."""

import subprocess
import sys
from pathlib import Path

import click

from sandbox.cli_options import as_json
from sandbox.errors import UsageError
from sandbox.host import host_environment
from sandbox.settings import load_settings
from sandbox.stack import local_switch, sandbox_variables


@click.group(short_help="Build images without a container engine.")
def image() -> None:
    """Build container images from a Dockerfile's declarations, without an engine."""


@image.command()
@click.argument("context", type=click.Path(path_type=Path))
@click.option("--repo", required=True, help="Name of the ECR repository.")
@click.option("--tag", "tags", multiple=True, required=True, help="Tag; may be repeated.")
@click.option("--file", "dockerfile", type=click.Path(path_type=Path), help="The Dockerfile.")
@click.option(
    "--build-arg", "build_args", multiple=True, metavar="NAME=VALUE", help="Value of an ARG."
)
@as_json
def build(
    context: Path,
    repo: str,
    tags: tuple[str, ...],
    dockerfile: Path | None,
    build_args: tuple[str, ...],
    json_: bool,
) -> None:
    """Build the app folder CONTEXT and push the image to the local ECR.

    Speaks the plugin convention of `BuildAndPushECR`. A Dockerfile that needs a container
    engine is refused with the line that needs it.

    \b
    sandbox exec -- aws ecr create-repository --repository-name backend
    sandbox image build apps/backend --repo backend --tag v1
    """
    if not context.is_dir():
        raise UsageError(f"{context} is not a folder.")
    settings = load_settings()
    artifact = settings.home / "artifact.json"
    environment = {
        **local_switch(settings, host_environment()).apply(host_environment()),
        **sandbox_variables(settings),
        "PLUGIN_REGISTRY": f"{settings.account_id}.dkr.ecr.{settings.region}.amazonaws.com",
        "PLUGIN_REPO": repo,
        "PLUGIN_TAGS": ",".join(tags),
        "PLUGIN_DOCKERFILE": str(dockerfile or context / "Dockerfile"),
        "PLUGIN_CONTEXT": str(context),
        "PLUGIN_BUILD_ARGS": ",".join(build_args),
        "PLUGIN_ARTIFACT_FILE": str(artifact),
    }
    command = [sys.executable, "-W", "ignore", "-m", "sandbox.aws.builder"]
    stdout = sys.stderr if json_ else None
    done = subprocess.run(command, env=environment, stdout=stdout, check=False)
    if done.returncode == 0 and json_:
        click.echo(artifact.read_text())
    sys.exit(done.returncode)
