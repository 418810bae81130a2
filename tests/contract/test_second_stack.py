"""A second, different Terraform stack: applied, planned empty, used, destroyed.

Terraform is pointed at the sandbox by environment variables only. Tests run in order.
"""

import json
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ecs_client import SECOND_APP, boto_client
from sandbox_command import PROJECT, Command, running_sandbox

STACK = PROJECT / "tests" / "testdata" / "second_stack"
NO_CHANGES = 0

pytestmark = pytest.mark.skipif(
    shutil.which("terraform") is None and shutil.which("tofu") is None,
    reason="neither terraform nor tofu is on PATH",
)


class Stack:
    """The stack's folder and what a person does with it."""

    def __init__(self, sandbox: Command, folder: Path, ports: Mapping[str, int]) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.variables = {
            "TF_VAR_image_tag": "v1",
            "TF_VAR_static_ports": json.dumps(dict(ports)),
            "TF_IN_AUTOMATION": "1",
        }

    def terraform(self, command: str, *arguments: str, code: int = 0) -> str:
        program = Path(shutil.which("terraform") or "tofu").name
        done = self.sandbox(
            *("exec", "--", program, f"-chdir={self.folder}", command, "-no-color", *arguments),
            check=False,
            env=self.variables,
            timeout=600,
        )
        assert done.returncode == code, done.stdout[-6000:] + done.stderr[-3000:]
        return done.stdout

    @cached_property
    def outputs(self) -> dict[str, str]:
        answer = json.loads(self.terraform("output", "-json"))
        return {name: item["value"] for name, item in answer.items()}

    def curl(self, path: str, *arguments: str) -> tuple[int, str]:
        """Ask the load balancer by its DNS name; return the status and the body."""
        url = f"http://{self.outputs['dns_name']}:8000{path}"
        form = "\\n%{http_code}"
        command = ("curl", "--silent", "--globoff", "--max-time", "20", "-w", form)
        done = self.sandbox("exec", "--", *command, *arguments, url)
        body, _, status = done.stdout.rpartition("\\n" if "\\n" in done.stdout else "\n")
        return int(status), body


@pytest.fixture(scope="module")
def sites() -> Iterator[dict[str, int]]:
    """Two servers of this machine, each saying its own name."""
    servers = {}
    for name in ("blue", "red"):

        class Handler(BaseHTTPRequestHandler):
            site = name

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(self.site)))
                self.end_headers()
                self.wfile.write(self.site.encode())

            def log_message(self, *_: object) -> None:
                pass

        servers[name] = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=servers[name].serve_forever, daemon=True).start()
    yield {name: server.server_port for name, server in servers.items()}
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, sites: dict[str, int]) -> Iterator[Stack]:
    """The stack, applied."""
    folder = tmp_path_factory.mktemp("second")
    shutil.copytree(STACK, folder / "stack")
    with running_sandbox(folder / "state", time_scale="10") as sandbox:
        sandbox("exec", "--", "aws", "ecr", "create-repository", "--repository-name", "second")
        sandbox("image", "build", str(SECOND_APP), "--repo", "second", "--tag", "v1")
        made = Stack(sandbox, folder / "stack", sites)
        made.terraform("init", "-input=false")
        made.terraform("apply", "-input=false", "-auto-approve")
        yield made


def test_stack_names_nothing_local() -> None:
    text = (STACK / "main.tf").read_text()
    for word in ("endpoints", "skip_", "localhost", "4566", "s3_use_path_style"):
        assert word not in text


def test_plan_right_after_apply_is_empty(stack: Stack) -> None:
    stack.terraform("plan", "-input=false", "-detailed-exitcode", code=NO_CHANGES)


def test_host_rule_reaches_the_service_with_its_secrets(stack: Stack) -> None:
    status, body = stack.curl("/orders", "-H", "Host: shop.second.example")
    assert status == 200
    answer = json.loads(body)
    assert answer["name"] == "from terraform"
    assert answer["secret"] == "postgres://second"
    assert answer["parameter"] == "on"
    assert answer["path"] == "/orders"
    assert answer["for"], "X-Forwarded-For is set"


def test_query_and_path_rule_splits_between_both_sites(stack: Stack, sites: dict[str, int]) -> None:
    answers = Counter()
    for _ in range(4):
        url = f"http://{stack.outputs['dns_name']}:8000/static/x?site=static&n=[1-25]"
        done = stack.sandbox("exec", "--", "curl", "--silent", url)
        for name in sites:
            answers[name] += done.stdout.count(name)
    assert sum(answers.values()) == 100
    assert all(20 <= answers[name] <= 80 for name in sites), answers


@pytest.mark.parametrize(
    ("path", "header", "status", "said"),
    [
        ("/", "Host: other.example", 404, "no such site"),
        ("/static/x", "Host: other.example", 404, "no such site"),
        ("/x?site=static", "Host: other.example", 404, "no such site"),
        ("/x", "Host: old.example", 302, ""),
    ],
    ids=["no rule", "path without query", "query without path", "redirect"],
)
def test_other_requests_get_what_the_rules_say(
    stack: Stack, path: str, header: str, status: int, said: str
) -> None:
    answered, body = stack.curl(path, "-H", header)
    assert answered == status
    assert said in body


def test_output_of_the_task_is_in_its_log_group(stack: Stack) -> None:
    logs = boto_client(stack.sandbox, "logs")
    stack.curl("/find-me-in-the-log", "-H", "Host: shop.second.example")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/second/app")
    messages = [event["message"] for page in pages for event in page["events"]]
    assert "listening on 8080" in messages


def test_published_event_arrives_in_the_queue(stack: Stack) -> None:
    outputs = stack.outputs
    sns, sqs = boto_client(stack.sandbox, "sns"), boto_client(stack.sandbox, "sqs")
    sns.publish(TopicArn=outputs["topic_arn"], Message="order 1")
    answer = sqs.receive_message(QueueUrl=outputs["queue_url"], WaitTimeSeconds=10)
    assert [message["Body"] for message in answer["Messages"]] == ["order 1"]


def test_table_answers_by_its_index(stack: Stack) -> None:
    table = boto_client(stack.sandbox, "dynamodb")
    for number in range(3):
        row = {"id": {"S": f"o{number}"}, "at": {"N": str(number)}, "customer": {"S": "ada"}}
        table.put_item(TableName="second-orders", Item=row)
    found = table.query(
        TableName="second-orders",
        IndexName="by-customer",
        KeyConditionExpression="customer = :c AND #at > :a",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":c": {"S": "ada"}, ":a": {"N": "0"}},
    )
    assert [item["id"]["S"] for item in found["Items"]] == ["o1", "o2"]


def test_alarm_is_there_with_its_action(stack: Stack) -> None:
    cloudwatch = boto_client(stack.sandbox, "cloudwatch")
    alarm = cloudwatch.describe_alarms(AlarmNames=["second-errors"])["MetricAlarms"][0]
    assert alarm["AlarmActions"] == [stack.outputs["topic_arn"]]


def test_change_is_applied_alone(stack: Stack) -> None:
    """A new environment variable is a new task definition revision, rolled out."""
    path = stack.folder / "main.tf"
    path.write_text(path.read_text().replace("from terraform", "from a second apply"))
    said = stack.terraform("apply", "-input=false", "-auto-approve")
    assert "Resources: 1 added, 1 changed, 1 destroyed." in said
    _, body = stack.curl("/", "-H", "Host: shop.second.example")
    assert json.loads(body)["name"] == "from a second apply"


def test_plan_is_empty_and_traffic_flows_after_every_process_was_killed(stack: Stack) -> None:
    for name, pid in stack.sandbox.pids().items():
        if name in {"aws", "envoy", "proxy"}:
            subprocess.run(["kill", "-9", str(pid)], check=True)
    stack.sandbox("up", "--timeout", "300")
    stack.terraform("plan", "-input=false", "-detailed-exitcode", code=NO_CHANGES)
    status, _ = stack.curl("/", "-H", "Host: shop.second.example")
    assert status == 200


def test_destroy_leaves_nothing(stack: Stack) -> None:
    stack.terraform("destroy", "-input=false", "-auto-approve")
    assert stack.sandbox.json("status")["load_balancers"] == {}
    ecs = boto_client(stack.sandbox, "ecs")
    clusters = ecs.list_clusters()["clusterArns"]
    assert all("second" not in arn for arn in clusters)
    for service, call, key in (
        ("elbv2", "describe_target_groups", "TargetGroups"),
        ("sqs", "list_queues", "QueueUrls"),
        ("dynamodb", "list_tables", "TableNames"),
        ("sns", "list_topics", "Topics"),
        ("cloudwatch", "describe_alarms", "MetricAlarms"),
        ("secretsmanager", "list_secrets", "SecretList"),
    ):
        assert getattr(boto_client(stack.sandbox, service), call)().get(key, []) == [], service
