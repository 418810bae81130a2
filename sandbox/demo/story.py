"""The demo, step by step: infrastructure, Harness entities, pushes, a canary under traffic."""

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox import stack, terminal
from sandbox.aws.engines import remembered_engine
from sandbox.demo.measure import (
    Split,
    execution_record,
    failures,
    measure_splits,
    shift_weights,
    weight_windows,
)
from sandbox.demo.pipelines import PipelineWatcher
from sandbox.demo.traffic import Answer, Destination, SteadyTraffic
from sandbox.demo.workshop import Edit, Workshop
from sandbox.errors import SandboxError, UsageError
from sandbox.harness_target import local_harness_client
from sandbox.host import host_environment
from sandbox.images.references import base_images, find_dockerfiles
from sandbox.lifecycle import Sandbox
from sandbox.local_values import local_placeholders, local_webhook
from sandbox.settings import Settings
from sandbox.sync import Syncer, SyncValues
from sandbox.terraform import Terraform

GOOD_RELEASE = Edit(
    path="apps/backend/app/release.py",
    pattern=r'^RELEASE_NAME = ".*"$',
    replacement='RELEASE_NAME = "Borealis"',
    message="Name the second release",
)
BAD_RELEASE = Edit(
    path="apps/backend/app/readiness.py",
    pattern=r'"prod": 100\}',
    replacement='"prod": 100_000}',
    message="Break the readiness check in production",
)
_RATE = 320.0
"""Requests per second: enough in each window that three points are more than three sigma."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What a person may choose."""

    project: Path
    manual: bool = False
    rollback: bool = False


class Demo:
    """Runs the road once and keeps what was measured."""

    def __init__(self, settings: Settings, options: DemoOptions) -> None:
        self._settings = settings
        self._options = options
        self._home = settings.home.resolve()
        host = host_environment()
        self._env = {
            **stack.local_switch(settings, host).apply(host),
            "PATH": stack.tool_path(host),
        }
        self._client = local_harness_client(settings)
        self._watcher = PipelineWatcher(self._client, manual=options.manual)
        self._workshop = Workshop(
            options.project, self._home / "demo" / "workshop", git_url=settings.git_url,
            env=self._env,
        )  # fmt: skip
        self._records: list[dict[str, Any]] = []
        self._outputs: dict[str, dict[str, object]] = {}

    def run(self) -> dict[str, Any]:
        """Run the whole road; return (and write) the summary.

        Raises:
            SandboxError: something did not go as it must; says what and where to look.
        """
        begun = time.monotonic()
        with terminal.step("sandbox up") as line:
            Sandbox(self._settings).up(timeout_s=60, ready=lambda name, _s: line(name))
        if remembered_engine(self._settings) == "docker":
            self._base_images()
        self._infrastructure()
        self._entities()
        first = not (self._home / "demo" / "released").exists()
        if first:
            self._first_release()
        summary = self._rollback_release() if self._options.rollback else self._canary_release()
        summary["seconds"] = round(time.monotonic() - begun, 1)
        path = self._home / "demo.json"
        path.write_text(json.dumps(summary, indent=2))
        return summary

    def _base_images(self) -> None:
        """Have what the Dockerfiles build on, before minutes are spent on the rest."""
        from sandbox.images.prepare import Wish, prepare
        from sandbox.images.workshop import EngineWorkshop

        names = base_images(find_dockerfiles(self._options.project / "apps"), ())
        with terminal.step(f"base images on Docker: {', '.join(names)}") as line:
            try:
                prepare(tuple(names), Wish(), EngineWorkshop(host_environment()), line)
            except SandboxError as error:
                without = "Without Docker: `sandbox down && SANDBOX_ENGINE=process make demo`."
                raise type(error)(error.message, hint=f"{error.hint} {without}".strip()) from error

    def _infrastructure(self) -> None:
        self._copy_infra()
        with terminal.step("terraform apply: state bucket") as line:
            self._terraform("bootstrap", line).init()
            self._terraform("bootstrap", line).apply()
        stages = ("dev", "prod")
        title = "terraform apply: dev and prod, plan empty after it"
        with terminal.step(title) as line, ThreadPoolExecutor(2) as pool:
            outputs = pool.map(lambda stage: self._apply(stage, line), stages)
            self._outputs = dict(zip(stages, outputs, strict=True))

    def _copy_infra(self) -> None:
        """Work on a copy: Terraform writes lock files (and the bootstrap its state) beside."""
        ignore = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*")
        source, copy = self._options.project / "infra", self._home / "demo" / "infra"
        if not source.is_dir():
            raise UsageError(
                f"There is no folder {source}.",
                hint="Run the demo from the project, or name it with --project.",
            )
        shutil.copytree(source, copy, ignore=ignore, dirs_exist_ok=True)

    def _apply(self, stage: str, line: Callable[[str], None]) -> dict[str, object]:
        terraform = self._terraform(stage, lambda text: line(f"{stage}: {text}"))
        terraform.init("-backend-config=backend.hcl")
        terraform.apply()
        if not terraform.plan_is_empty():
            raise SandboxError(f"The plan of infra/environments/{stage} is not empty after apply.")
        return terraform.outputs()

    def _terraform(self, stage: str, line: Callable[[str], None]) -> Terraform:
        copy = self._home / "demo" / "infra"
        folder = copy / "bootstrap" if stage == "bootstrap" else copy / "environments" / stage
        data = self._home / "demo" / "terraform" / stage
        return Terraform(folder, env=self._env, data_dir=data, line=line)

    def _entities(self) -> None:
        self._workshop.create_remote()
        with terminal.step("sandbox sync: organization, project, pipelines, triggers") as line:
            syncer = Syncer(self._client, self._options.project / "harness", line=line)
            outputs = {
                f"infra/environments/{stage}": {
                    key: str(value) for key, value in _mapping(o["harness_variables"]).items()
                }
                for stage, o in self._outputs.items()
            }
            values = SyncValues(environment=local_placeholders(self._settings), outputs=outputs)
            syncer.sync(values, webhook=local_webhook(self._settings))

    def _first_release(self) -> None:
        self._workshop.prepare()
        with terminal.step("git push: the first release, through CI and CD"):
            commit = self._workshop.release(None)
            self._follow(commit, expect="Success")
        (self._home / "demo").mkdir(exist_ok=True)
        (self._home / "demo" / "released").write_text(commit)

    def _canary_release(self) -> dict[str, Any]:
        traffic = SteadyTraffic(self._destination(), rate=_RATE)
        with terminal.step("git push: the second release, a canary under steady traffic"):
            traffic.start()
            try:
                commit = self._workshop.release(GOOD_RELEASE)
                executions = self._follow(commit, expect="Success")
            finally:
                answers = traffic.stop()
        return self._summary(answers, executions, commit)

    def _rollback_release(self) -> dict[str, Any]:
        traffic = SteadyTraffic(self._destination(), rate=_RATE)
        with terminal.step("git push: a release that fails its health gate in prod"):
            traffic.start()
            try:
                commit = self._workshop.release(BAD_RELEASE)
                executions = self._follow(commit, expect="Failed")
            finally:
                answers = traffic.stop()
                self._workshop.revert("Take the broken release back")
        return self._summary(answers, executions, commit)

    def _follow(self, commit: str, *, expect: str) -> list[dict[str, Any]]:
        executions = self._watcher.follow_commit(commit)
        self._records += [execution_record(execution) for execution in executions]
        deployment = executions[-1]
        status = deployment["pipelineExecutionSummary"]["status"]
        if status != expect:
            record = execution_record(deployment)
            identifier = record["planExecutionId"]
            raise SandboxError(
                f"{record['pipeline']} {identifier} ended {status}, not {expect}: "
                f"{record['reason']}",
                hint=f"sandbox pipeline show {identifier}; sandbox pipeline logs {identifier}",
            )
        return executions

    def _destination(self) -> Destination:
        outputs = _mapping(self._outputs["prod"]["harness_variables"])
        name = str(outputs["alb_dns_name"])
        balancers = Sandbox(self._settings).load_balancers()
        if name not in balancers:
            raise SandboxError(f"The load balancer {name} does not listen.")
        listening = balancers[name]
        return Destination(
            host=str(outputs["domain_name"]),
            address=listening["address"],
            port=int(listening["ports"]["443"]),
            path="/api/health",
            ca_file=self._settings.ca_dir / "ca.pem",
        )

    def _summary(
        self, answers: tuple[Answer, ...], executions: list[dict[str, Any]], commit: str
    ) -> dict[str, Any]:
        deployment = executions[-1]
        steps = self._watcher.steps(deployment)
        windows = weight_windows(steps, shift_weights(deployment))
        splits = measure_splits(answers, windows, commit)
        return {
            "requests": len(answers),
            "failures": failures(answers),
            "splits": [_split(split) for split in splits],
            "executions": self._records,
            "versions": sorted({a.version for a in answers if a.version}),
            "last_version": answers[-1].version if answers else "",
            "commit": commit,
            "urls": {
                "Harness console": self._settings.harness_url,
                "dev": str(_mapping(self._outputs["dev"]["harness_variables"])["base_url"]),
                "prod": str(_mapping(self._outputs["prod"]["harness_variables"])["base_url"]),
            },
        }


def _split(split: Split) -> dict[str, object]:
    row = asdict(split)
    row["measured"] = round(split.measured, 1)
    return row


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise SandboxError("The Terraform output harness_variables is missing.")
    return value
