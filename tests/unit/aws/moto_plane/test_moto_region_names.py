"""moto's regions are boto3's, though no model is loaded for them."""

import boto3
import pytest

from sandbox.aws.moto_plane.region_names import region_names


def test_partitions_are_boto3_s() -> None:
    assert region_names().get_available_partitions() == boto3.Session().get_available_partitions()


@pytest.mark.parametrize("service", ["ec2", "ecs", "cloudwatch", "iam", "no-such-service"])
@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_regions_are_boto3_s(service: str, partition: str) -> None:
    theirs = boto3.Session().get_available_regions(service, partition_name=partition)
    assert region_names().get_available_regions(service, partition) == theirs
