"""Which services a LocalStack may answer for, and by what name it knows them; no I/O."""

from collections.abc import Mapping

STAYS: Mapping[str, str] = {
    "ecs": "its tasks are run by the sandbox's own runtimes",
    "ecr": "the runtimes and `docker push` use the sandbox's registry",
    "elbv2": "traffic goes through the sandbox's Envoy to the sandbox's tasks",
    "elb": "it belongs to the network, which stays",
    "ec2": "tasks take addresses from its subnets, load balancers and tasks check its groups",
    "acm": "load balancers need private keys, which no API of ACM gives out",
    "route53": "its records validate the certificates, which stay",
    "application-autoscaling": "what it scales are services of the sandbox's ECS",
    "servicediscovery": "what it names are tasks of the sandbox's ECS",
    "codedeploy": "what it deploys to is the sandbox's ECS",
    "cloudtrail": "it records what passes the gateway",
}
"""Services that the sandbox answers itself, whatever a LocalStack offers, and why."""

SERVING = frozenset({"available", "starting", "running"})
"""States in which LocalStack answers; it has a request wait while it starts the service.

Source: localstack-core, services/plugins.py.
"""

ABSENT = frozenset({"disabled"})
"""States of a service that LocalStack was told not to offer."""

BY_SIGNING_NAME: Mapping[str, str] = {
    "airflow": "mwaa",
    "aoss": "opensearchserverless",
    "aps": "amp",
    "cassandra": "keyspaces",
    "cloudcontrolapi": "cloudcontrol",
    "elasticfilesystem": "efs",
    "elasticmapreduce": "emr",
    "geo": "location",
    "iotdata": "iot-data",
    "mobiletargeting": "pinpoint",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "sso": "sso-admin",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
    "timestream": "timestream-write",
}
"""Signing name to LocalStack's name of the service, where they differ."""


def localstack_name(service: str) -> str:
    """Return LocalStack's name of a service that requests are signed for.

    An unsigned request that names no service is for S3, as everywhere on AWS's side.
    """
    if not service:
        return "s3"
    # Calls of a deployed API are signed for it, and answered by the service that deployed it.
    return "apigateway" if service == "execute-api" else BY_SIGNING_NAME.get(service, service)
