"""Two tasks behind a load balancer of a whole running sandbox, made with boto3."""

from typing import Any

import requests
from ecs_client import EcsTestClient, boto_client, environment
from sandbox_command import Command

WAIT = {"Delay": 1, "MaxAttempts": 180}
LOGS = {
    "logDriver": "awslogs",
    "options": {
        "awslogs-group": "/whole/app",
        "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "app",
    },
}


class Service:
    """Two tasks behind a load balancer."""

    def __init__(self, sandbox: Command, ecs: EcsTestClient) -> None:
        self.sandbox = sandbox
        self.elb = boto_client(sandbox, "elbv2")
        self.ecs = ecs
        ec2 = boto_client(sandbox, "ec2")
        other = ec2.create_subnet(
            VpcId=ecs.vpc, CidrBlock="10.9.2.0/24", AvailabilityZone="us-east-1b"
        )["Subnet"]["SubnetId"]
        made = self.elb.create_load_balancer(
            Name="whole", Subnets=[ecs.subnet, other], SecurityGroups=[ecs.group]
        )["LoadBalancers"][0]
        self.dns_name = str(made["DNSName"])
        self.group = self.elb.create_target_group(
            Name="whole",
            Protocol="HTTP",
            Port=8080,
            VpcId=ecs.vpc,
            TargetType="ip",
            HealthCheckIntervalSeconds=10,
            HealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elb.modify_target_group_attributes(
            TargetGroupArn=self.group,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "10"}],
        )
        self.elb.create_listener(
            LoadBalancerArn=made["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.group}],
        )
        self.elb.get_waiter("load_balancer_available").wait(
            LoadBalancerArns=[made["LoadBalancerArn"]], WaiterConfig=WAIT
        )
        definition = ecs.register({"logConfiguration": LOGS}, family="whole")
        balancer = {"targetGroupArn": self.group, "containerName": "app", "containerPort": 8080}
        ecs.ecs.create_service(
            cluster="c",
            serviceName="whole",
            taskDefinition=definition,
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration=ecs.network,
            loadBalancers=[balancer],
        )

    def stable(self) -> None:
        """Wait as pipelines do: the service is stable, its targets are in service."""
        self.ecs.ecs.get_waiter("services_stable").wait(
            cluster="c", services=["whole"], WaiterConfig=WAIT
        )
        self.elb.get_waiter("target_in_service").wait(TargetGroupArn=self.group, WaiterConfig=WAIT)

    def ask(self) -> Any:
        """Ask the load balancer by its name, through the proxy that `sandbox env` names."""
        proxy = {"http": environment(self.sandbox)["HTTP_PROXY"]}
        answer = requests.get(f"http://{self.dns_name}/", proxies=proxy, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def tasks(self) -> list[str]:
        arns = self.ecs.ecs.list_tasks(cluster="c", serviceName="whole")["taskArns"]
        return sorted(arns)
