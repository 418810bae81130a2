"""An image builder run as a `BuildAndPushECR` step runs it, against an ECR of the test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ecr_server import ACCOUNT, EcrServer

REGISTRY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"


@dataclass(kw_only=True)
class BuilderStep:
    """Calling it builds `context` and pushes it to `repo`, as the module's plugin settings say."""

    module: str
    server: EcrServer
    home: Path
    more: Mapping[str, str] = field(default_factory=dict)
    """Further environment variables."""

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PLUGIN_"))}
        return {
            **kept,
            "AWS_ENDPOINT_URL": self.server.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            **self.more,
        }

    def __call__(self, repo: str, context: Path, **plugin: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "PLUGIN_REGISTRY": REGISTRY,
            "PLUGIN_REPO": repo,
            "PLUGIN_TAGS": "v1",
            "PLUGIN_CONTEXT": str(context),
            "PLUGIN_DOCKERFILE": str(context / "Dockerfile"),
            "PLUGIN_ARTIFACT_FILE": str(self.home / "artifact.json"),
            **plugin,
        }
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-m", self.module],
            env={**self.environment, **settings},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def artifact(self) -> Mapping[str, object]:
        found: Mapping[str, object] = json.loads((self.home / "artifact.json").read_text())
        return found
