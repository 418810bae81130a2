"""Steps per second of the pipeline engine."""

from typing import Any

import yaml

from benchmarks.report import Section
from benchmarks.stand import Stand, until
from sandbox.executions import step_rows
from sandbox.harness_client import HarnessClient

_ORG, _PROJECT = "bench", "bench"
_WAITS, _SCRIPTS = 200, 30
_TIMEOUT_S, _LOOK_S = 300, 0.5


def measure(stand: Stand, share: float) -> Section:
    """Run steps that the engine runs itself, then steps that a delegate runs."""
    client = HarnessClient(
        f"http://127.0.0.1:{stand.ports['HARNESS']}",
        "sandbox_account",
        "pat.sandbox_account.local.sandbox",
    )
    client.call("POST", "/ng/api/organizations",
                body={"organization": {"identifier": _ORG, "name": _ORG}})  # fmt: skip
    project = {"orgIdentifier": _ORG, "identifier": _PROJECT, "name": _PROJECT}
    client.call("POST", "/ng/api/projects", query={"orgIdentifier": _ORG},
                body={"project": project})  # fmt: skip
    waits = max(10, int(_WAITS * share))
    scripts = max(5, int(_SCRIPTS * share))
    wait = {"type": "Wait", "spec": {"duration": "1s"}}
    script = {
        "type": "ShellScript",
        "spec": {
            "shell": "Bash",
            "onDelegate": True,
            "source": {"type": "Inline", "spec": {"script": "true"}},
        },
    }
    rows = [
        ("engine steps (Wait), one after the other", _rate(client, "waits", wait, waits)),
        ("delegate steps (ShellScript), one after the other",
         _rate(client, "scripts", script, scripts)),
    ]  # fmt: skip
    about = "Sequential steps of one execution, from start to end of the pipeline."
    return Section("Engine", about, ("what", "steps per second"),
                   [(name, f"{rate:.1f}") for name, rate in rows])  # fmt: skip


def _rate(client: HarnessClient, name: str, step: dict[str, object], count: int) -> float:
    steps = [
        {"step": {"identifier": f"s{n}", "name": f"s{n}", "timeout": "1m", **step}}
        for n in range(count)
    ]
    stage = {
        "identifier": "stage",
        "name": "stage",
        "type": "Custom",
        "spec": {"execution": {"steps": steps}},
    }
    pipeline = {
        "identifier": name,
        "name": name,
        "orgIdentifier": _ORG,
        "projectIdentifier": _PROJECT,
        "stages": [{"stage": stage}],
    }
    query = {"orgIdentifier": _ORG, "projectIdentifier": _PROJECT}
    text = yaml.safe_dump({"pipeline": pipeline}, sort_keys=False)
    client.call("POST", "/pipeline/api/pipelines/v2", query=query, yaml=text)
    execution = client.execute(_ORG, _PROJECT, name)
    answer: dict[str, Any] = {}

    def has_ended() -> bool:
        answer.update(client.execution(_ORG, _PROJECT, execution))
        return answer["pipelineExecutionSummary"]["status"] in {"Success", "Failed", "Errored"}

    until(has_ended, within_s=_TIMEOUT_S, what=f"pipeline {name} has ended", look_s=_LOOK_S)
    summary = answer["pipelineExecutionSummary"]
    if summary["status"] != "Success":
        messages = [row.message for row in step_rows(answer) if row.message]
        raise RuntimeError(f"{name}: {summary['status']}: {messages[:1]}")
    return 1000 * count / float(summary["endTs"] - summary["startTs"])
