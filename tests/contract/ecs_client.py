"""Runs tasks on a whole running sandbox with boto3: network, role and image are made once."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from sandbox_command import PROJECT, Command

ACCOUNT = "000000000000"
SECOND_APP = PROJECT / "tests" / "testdata" / "second_app"


def boto_client(sandbox: Command, service: str) -> Any:
    """Return a boto3 client with what `sandbox env` says."""
    env = environment(sandbox)
    return boto3.client(
        service,
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )


@cache
def environment(sandbox: Command) -> Mapping[str, str]:
    """Return what `sandbox env` sets."""
    found: Mapping[str, str] = sandbox.json("env")["set"]
    return found


@dataclass
class EcsTestClient:
    """A cluster `c`, an image `second:v1`, a public subnet and an execution role."""

    ecs: Any
    subnet: str
    vpc: str
    group: str
    role: str
    registry: str
    count: int = 0

    def register(self, container: Mapping[str, object], family: str = "") -> str:
        """Register a task definition with one container; return its ARN."""
        self.count += 1
        whole = {
            "name": "app",
            "image": f"{self.registry}/second:v1",
            "essential": True,
            "portMappings": [{"containerPort": 8080}],
            **container,
        }
        answer = self.ecs.register_task_definition(
            family=family or f"test-{self.count}",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            executionRoleArn=self.role,
            containerDefinitions=[whole],
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    @property
    def network(self) -> dict[str, object]:
        return {
            "awsvpcConfiguration": {
                "subnets": [self.subnet],
                "securityGroups": [self.group],
                "assignPublicIp": "ENABLED",
            }
        }

    def start(self, container: Mapping[str, object]) -> str:
        """Run one task; return its ARN."""
        answer = self.ecs.run_task(
            cluster="c",
            taskDefinition=self.register(container),
            launchType="FARGATE",
            networkConfiguration=self.network,
        )
        assert answer["failures"] == []
        return str(answer["tasks"][0]["taskArn"])

    def run_to_its_end(self, container: Mapping[str, object]) -> Any:
        """Run one task and wait until it stopped; return what describe_tasks says of it."""
        arn = self.start(container)
        self.ecs.get_waiter("tasks_stopped").wait(
            cluster="c", tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )
        return self.ecs.describe_tasks(cluster="c", tasks=[arn])["tasks"][0]


def build_without_engine(sandbox: Command) -> None:
    """Put the second app's image into the repository `second`, by the sandbox's own builder."""
    sandbox("image", "build", str(SECOND_APP), "--repo", "second", "--tag", "v1")


def ecs_client(
    sandbox: Command, put_image: Callable[[Command], None] = build_without_engine
) -> EcsTestClient:
    """Make the cluster, the image, the network and the role; return the client."""
    ec2, iam = boto_client(sandbox, "ec2"), boto_client(sandbox, "iam")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    # Without a zone AWS picks one at random, and a load balancer needs two different ones.
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="us-east-1a")[
        "Subnet"
    ]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    group = ec2.create_security_group(GroupName="app", Description="app", VpcId=vpc)["GroupId"]
    permission = {
        "IpProtocol": "tcp",
        "FromPort": 80,
        "ToPort": 8080,
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
    }
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = iam.create_role(RoleName="task-execution", AssumeRolePolicyDocument=json.dumps(trust))
    policy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    iam.attach_role_policy(RoleName="task-execution", PolicyArn=policy)
    boto_client(sandbox, "ecr").create_repository(repositoryName="second")
    put_image(sandbox)
    ecs = boto_client(sandbox, "ecs")
    ecs.create_cluster(clusterName="c")
    return EcsTestClient(
        ecs=ecs,
        subnet=subnet,
        vpc=vpc,
        group=group,
        role=role["Role"]["Arn"],
        registry=f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com",
    )
