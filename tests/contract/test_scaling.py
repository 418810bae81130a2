"""Application Auto Scaling knows the services of the local ECS."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from gateway_server import GatewayServer

TARGET = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/scaled/web",
    "ScalableDimension": "ecs:service:DesiredCount",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    server = GatewayServer(tmp_path_factory.mktemp("scaling") / "home")
    server.start()
    ec2 = server.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    ecs = server.client("ecs")
    ecs.create_cluster(clusterName="scaled")
    ecs.register_task_definition(
        family="web",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "a", "image": "x"}],
    )
    ecs.create_service(
        cluster="scaled",
        serviceName="web",
        taskDefinition="web",
        desiredCount=0,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
    )
    yield server
    server.stop()


@pytest.fixture
def scaling(server: GatewayServer) -> Any:
    return server.client("application-autoscaling")


def test_service_is_registered_with_a_policy_and_stays_so(
    server: GatewayServer, scaling: Any
) -> None:
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=4)
    tracking = {
        "TargetValue": 50.0,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
        },
    }
    made = scaling.put_scaling_policy(
        **TARGET,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking,
    )
    assert len(made["Alarms"]) == 2

    server.kill()
    server.start()
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) == (
        "service/scaled/web",
        1,
        4,
    )
    (policy,) = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    assert policy["PolicyARN"] == made["PolicyARN"]
    assert policy["TargetTrackingScalingPolicyConfiguration"] == tracking


@pytest.mark.parametrize("resource", ["service/scaled/gone", "service/gone/web"])
def test_service_that_is_not_there_is_refused(scaling: Any, resource: str) -> None:
    with pytest.raises(ClientError) as caught:
        scaling.register_scalable_target(
            **TARGET | {"ResourceId": resource}, MinCapacity=1, MaxCapacity=2
        )
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": f"ECS service doesn't exist: {resource}",
    }


def test_targets_of_other_services_are_none_of_its_business(scaling: Any) -> None:
    scaling.register_scalable_target(
        ServiceNamespace="dynamodb",
        ResourceId="table/t",
        ScalableDimension="dynamodb:table:ReadCapacityUnits",
        MinCapacity=1,
        MaxCapacity=2,
    )
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"]
    assert target["ResourceId"] == "table/t"
