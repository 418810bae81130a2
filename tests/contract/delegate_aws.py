"""AWS for the delegate's ECS steps: our own ECS and ELBv2 planes and a tiny Auto Scaling, recorded.

`Stage` plays the engine's part: it hands each step what earlier ones left, through JSON.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
from ecs_sandbox import ACCOUNT, REGION, ROLE, FakeNetwork, World
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from fake_harness.delegate.context import DelegateFacts, StepContext
from fake_harness.delegate.results import StepFailedError, StepResult
from fake_harness.delegate.steps.registry import load_step
from sandbox.aws.elbv2.plane import Elbv2Plane
from sandbox.aws.store import RecordStore
from sandbox.aws.wire import AwsService, RequestContext, WireRequest
from sandbox.clock import TimeScale

CLUSTER = "lab"
_READS = ("Describe", "List")


@dataclass
class FakeScaling:
    """Application Auto Scaling as two lists."""

    targets: list[dict[str, Any]] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)

    def call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "RegisterScalableTarget":
                self.targets = [t for t in self.targets if t["ResourceId"] != body["ResourceId"]]
                self.targets.append({**body, "RoleARN": "arn:aws:iam::1:role/x", "CreationTime": 1})
                return {"ScalableTargetARN": "arn"}
            case "PutScalingPolicy":
                self.policies.append({**body, "PolicyARN": "arn", "CreationTime": 1, "Alarms": []})
                return {"PolicyARN": "arn", "Alarms": []}
            case "DescribeScalableTargets":
                wanted = body["ResourceIds"]
                return {"ScalableTargets": [t for t in self.targets if t["ResourceId"] in wanted]}
            case "DescribeScalingPolicies":
                wanted = body["ResourceId"]
                return {"ScalingPolicies": [p for p in self.policies if p["ResourceId"] == wanted]}
            case "DeleteScalingPolicy":
                self.policies = [p for p in self.policies if p["PolicyName"] != body["PolicyName"]]
                return {}
            case "DeregisterScalableTarget":
                self.targets = [t for t in self.targets if t["ResourceId"] != body["ResourceId"]]
                return {}
        raise NotImplementedError(operation)


@dataclass
class Lab:
    """A cluster, a load balancer with two listeners, three target groups, and every call."""

    world: World
    elbv2: Elbv2Plane
    scaling: FakeScaling = field(default_factory=FakeScaling)
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    after_call: list[Callable[[str], None]] = field(default_factory=list)
    url: str = ""
    groups: dict[str, str] = field(default_factory=dict)
    listeners: dict[str, str] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return boto3.client(service)

    def take_calls(self, *, reads: bool = False) -> list[str]:
        """Return the names of the calls since the last time."""
        names = [name for name, _ in self.calls]
        self.calls.clear()
        return [name for name in names if reads or not name.startswith(_READS)]

    def weights(self, rule: str = "prod") -> dict[str, int]:
        """Return the weights of a rule by the short name of the target group."""
        found = self.client("elbv2").describe_rules(RuleArns=[self.rules[rule]])["Rules"][0]
        names = {arn: name for name, arn in self.groups.items()}
        rows = found["Actions"][0]["ForwardConfig"]["TargetGroups"]
        return {names[row["TargetGroupArn"]]: row["Weight"] for row in rows}

    def shares(self, rule: str) -> dict[str, int]:
        """Return the weights of a rule by ARN, read behind the API: nothing is recorded."""
        forward = self.elbv2._state.rule(self.rules[rule]).action.forward
        assert forward is not None
        return {group.arn: group.effective_weight for group in forward.target_groups}

    def services(self) -> dict[str, dict[str, Any]]:
        """Return the active services by name, tags as a map."""
        ecs = self.client("ecs")
        arns = ecs.list_services(cluster=CLUSTER)["serviceArns"]
        if not arns:
            return {}
        found = ecs.describe_services(cluster=CLUSTER, services=arns, include=["TAGS"])["services"]
        return {
            s["serviceName"]: {**s, "tags": {t["key"]: t["value"] for t in s.get("tags", [])}}
            for s in found
            if s["status"] == "ACTIVE"
        }

    def set_weights(self, rule: str, **weights: int) -> None:
        rows = [{"TargetGroupArn": self.groups[n], "Weight": w} for n, w in weights.items()]
        self.client("elbv2").modify_rule(
            RuleArn=self.rules[rule],
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": rows}}],
        )

    def build(self) -> None:
        """Make the cluster and the load balancer."""
        self.client("ecs").create_cluster(clusterName=CLUSTER)
        elb = self.client("elbv2")
        balancer = elb.create_load_balancer(
            Name="lb", Subnets=["subnet-a", "subnet-b"], SecurityGroups=["sg-1"]
        )["LoadBalancers"][0]["LoadBalancerArn"]
        for name in ("blue", "green", "plain", "other"):
            made = elb.create_target_group(
                Name=name, Protocol="HTTP", Port=80, VpcId="vpc-1", TargetType="ip"
            )
            self.groups[name] = arn = made["TargetGroups"][0]["TargetGroupArn"]
            self.world.registrar.add_group(arn)
        for name, port, group in (("prod", 80, "blue"), ("stage", 81, "green")):
            action = {"Type": "forward", "TargetGroupArn": self.groups[group]}
            made = elb.create_listener(
                LoadBalancerArn=balancer, Protocol="HTTP", Port=port, DefaultActions=[action]
            )
            self.listeners[name] = made["Listeners"][0]["ListenerArn"]
        for number, (name, shares) in enumerate(
            (("prod", {"blue": 100, "green": 0}), ("extra", {"plain": 50, "other": 50})), 1
        ):
            rows = [{"TargetGroupArn": self.groups[g], "Weight": w} for g, w in shares.items()]
            made = elb.create_rule(
                ListenerArn=self.listeners["prod"],
                Priority=number,
                Conditions=[{"Field": "path-pattern", "Values": [f"/{name}/*"]}],
                Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": rows}}],
            )
            self.rules[name] = made["Rules"][0]["RuleArn"]
        self.calls.clear()

    def handle(self, request: Request) -> Response:
        target = request.headers.get("X-Amz-Target", "")
        if target.startswith("AnyScaleFrontendService"):
            operation = target.rpartition(".")[2]
            body = json.loads(request.get_data())
            answer = self.scaling.call(operation, body)
            self._note(operation, body)
            return Response(json.dumps(answer), content_type="application/x-amz-json-1.1")
        if target:
            operation, params = target.rpartition(".")[2], json.loads(request.get_data())
            service: AwsService = self.ecs_service
        else:
            operation, params = request.form["Action"], dict(request.form)
            service = self.elbv2.service
        body_bytes = request.get_data() or _form(request)
        wire = WireRequest(
            method=request.method,
            path=request.path,
            query_string=request.query_string.decode(),
            headers=dict(request.headers),
            body=body_bytes,
        )
        found = service.handle(RequestContext(account_id=ACCOUNT, region=REGION), wire)
        self._note(operation, params)
        return Response(found.body, status=found.status, headers=dict(found.headers))

    ecs_service: AwsService = field(init=False)

    def _note(self, operation: str, params: Mapping[str, Any]) -> None:
        self.calls.append((operation, params))
        for check in self.after_call:
            check(operation)


def _form(request: Request) -> bytes:
    from urllib.parse import urlencode

    return urlencode(list(request.form.items(multi=True))).encode()


class NoCertificates:
    def certificate(self, arn: str) -> None:
        return None


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """Serve a lab; the caller points AWS_ENDPOINT_URL at `url` before `build()`."""
    world = World(folder)
    store = RecordStore(folder / "elb.db")
    elbv2 = Elbv2Plane(
        store=store,
        network=FakeNetwork(),
        certificates=NoCertificates(),
        time_scale=TimeScale(100),
        alb_network="127.251.0.0/16",
        names_file=folder / "names.json",
        envoy_dir=folder / "envoy",
        ads_socket=folder / "envoy" / "ads.sock",
    )
    made = Lab(world=world, elbv2=elbv2)
    with world.plane() as plane:
        made.ecs_service = plane.service
        server = make_server("127.0.0.1", 0, Request.application(made.handle), threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            store.close()


@dataclass
class Stage:
    """One stage of a pipeline: runs steps in this process and carries what they leave."""

    lab: Lab
    folder: Path
    image: str = "example/web:1"
    service: str = "web"
    desired_count: int = 2
    target_group: str = "<+targetGroupArn>"
    manifests: list[dict[str, str]] | None = None
    rollback_data: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    time_scale: float = 100

    def next(self) -> "Stage":
        """Return the same stage of the next execution."""
        folder = self.folder.with_name(self.folder.name + "-next")
        return replace(self, folder=folder, rollback_data={}, outputs={}, steps=0)

    def run(self, step_type: str, *, timeout_s: float = 30, **params: object) -> StepResult:
        """Run a step to its end; raises what it raises, and keeps what it left even then."""
        self.steps += 1
        folder = self.folder / f"task-{self.steps}"
        folder.mkdir(parents=True)
        context = StepContext(
            self._package(step_type, timeout_s, params),
            folder,
            DelegateFacts(
                work_dir=self.folder,
                image_builder="none",
                time_scale=self.time_scale,
                environment={},
            ),
        )
        try:
            result = load_step(step_type)(context)
            self.outputs[step_type] = json.loads(json.dumps(dict(result.outputs)))
            return result
        finally:
            if context.rollback_data is not None:
                self.rollback_data[step_type] = json.loads(json.dumps(context.rollback_data))
            context.close()

    def fails(self, step_type: str, **params: Any) -> StepFailedError:
        try:
            self.run(step_type, **params)
        except StepFailedError as error:
            return error
        raise AssertionError(f"{step_type} succeeded")

    def log(self) -> list[str]:
        """Return the lines of the last step, each with its command unit."""
        path = self.folder / f"task-{self.steps}" / "log.ndjson"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        return [f"{row['unit']}: {row['row']['out'].rstrip()}" for row in rows]

    def _package(
        self, step_type: str, timeout_s: float, params: Mapping[str, object]
    ) -> dict[str, object]:
        return {
            "taskId": f"task-{self.steps}",
            "taskType": step_type,
            "timeoutSeconds": timeout_s,
            "params": {
                **params,
                "manifests": self.manifests or self._manifests(),
                "infra": {"region": REGION, "cluster": CLUSTER},
                "rollbackData": self.rollback_data,
                "earlierOutputs": self.outputs,
            },
        }

    def _manifests(self) -> list[dict[str, str]]:
        return [
            manifest("task", "EcsTaskDefinition", task_definition(self.image)),
            manifest(
                "service",
                "EcsServiceDefinition",
                service_definition(self.service, self.desired_count, self.target_group),
            ),
        ]


def manifest(identifier: str, kind: str, content: str) -> dict[str, str]:
    return {"identifier": identifier, "type": kind, "content": content}


def task_definition(image: str) -> str:
    return f"""
family: web
networkMode: awsvpc
requiresCompatibilities: [FARGATE]
cpu: 256
memory: "512"
executionRoleArn: {ROLE}
revision: 7
pidMode:
containerDefinitions:
  - name: web
    image: {image}
    essential: true
    command:
    portMappings:
      - containerPort: 80
        protocol: tcp
"""


def service_definition(name: str, desired_count: int, target_group: str) -> str:
    return f"""
serviceName: {name}
launchType: FARGATE
desiredCount: "{desired_count}"
networkConfiguration:
  awsvpcConfiguration:
    subnets: [subnet-a, subnet-b]
    securityGroups: [sg-1]
    assignPublicIp: DISABLED
deploymentConfiguration:
  deploymentCircuitBreaker: {{enable: true, rollback: false}}
loadBalancers:
  - targetGroupArn: {target_group}
    containerName: web
    containerPort: 80
"""


SCALABLE_TARGET = manifest(
    "target",
    "EcsScalableTargetDefinition",
    "serviceNamespace: ecs\nscalableDimension: ecs:service:DesiredCount\n"
    "minCapacity: 2\nmaxCapacity: '4'\n",
)
SCALING_POLICY = manifest(
    "policy",
    "EcsScalingPolicyDefinition",
    json.dumps(
        {
            "policyName": "cpu",
            "serviceNamespace": "ecs",
            "scalableDimension": "ecs:service:DesiredCount",
            "policyType": "TargetTrackingScaling",
            "targetTrackingScalingPolicyConfiguration": {
                "targetValue": "50",
                "predefinedMetricSpecification": {
                    "predefinedMetricType": "ECSServiceAverageCPUUtilization"
                },
            },
        },
        indent="\t",
    ),
)
