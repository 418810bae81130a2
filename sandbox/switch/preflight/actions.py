"""IAM actions behind what a stack consists of; data.

One entry a Terraform resource type: what its provider calls to create, read and delete it. One
entry a Harness step type: what the delegate calls. Kept to the actions without which nothing
works, not every reading of a rarely used attribute; `sandbox iam policy` tells what was really
called. Source: Service Authorization Reference. Unverified on a real account.
"""

from collections.abc import Mapping


def _of(service: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{service}:{name}" for name in names)


_LB = "elasticloadbalancing"
_S3_ATTRIBUTE = ("s3:ListBucket",)

STATE_ACTIONS = _of("s3", "ListBucket", "GetObject", "PutObject", "DeleteObject")
"""Of Terraform's S3 backend with `use_lockfile`."""

RESOURCE_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "aws_acm_certificate": _of(
        "acm", "RequestCertificate", "DescribeCertificate", "DeleteCertificate",
        "AddTagsToCertificate", "ListTagsForCertificate",
    ),
    "aws_appautoscaling_policy": _of(
        "application-autoscaling", "PutScalingPolicy", "DescribeScalingPolicies",
        "DeleteScalingPolicy",
    ),
    "aws_appautoscaling_target": _of(
        "application-autoscaling", "RegisterScalableTarget", "DescribeScalableTargets",
        "DeregisterScalableTarget",
    ),
    "aws_budgets_budget": _of("budgets", "ModifyBudget", "ViewBudget"),
    "aws_cloudtrail": _of(
        "cloudtrail", "CreateTrail", "GetTrail", "GetTrailStatus", "StartLogging", "DeleteTrail",
        "ListTags", "GetEventSelectors",
    ),
    "aws_cloudwatch_dashboard": _of("cloudwatch", "PutDashboard", "GetDashboard",
                                    "DeleteDashboards"),
    "aws_cloudwatch_log_group": _of(
        "logs", "CreateLogGroup", "DescribeLogGroups", "PutRetentionPolicy", "DeleteLogGroup",
        "ListTagsForResource", "TagResource",
    ),
    "aws_cloudwatch_log_metric_filter": _of(
        "logs", "PutMetricFilter", "DescribeMetricFilters", "DeleteMetricFilter"
    ),
    "aws_cloudwatch_metric_alarm": _of(
        "cloudwatch", "PutMetricAlarm", "DescribeAlarms", "DeleteAlarms", "ListTagsForResource",
        "TagResource",
    ),
    "aws_dynamodb_table": _of(
        "dynamodb", "CreateTable", "DescribeTable", "DeleteTable", "DescribeContinuousBackups",
        "DescribeTimeToLive", "ListTagsOfResource", "TagResource",
    ),
    "aws_ecr_lifecycle_policy": _of(
        "ecr", "PutLifecyclePolicy", "GetLifecyclePolicy", "DeleteLifecyclePolicy"
    ),
    "aws_ecr_repository": _of(
        "ecr", "CreateRepository", "DescribeRepositories", "DeleteRepository",
        "ListTagsForResource", "TagResource",
    ),
    "aws_ecs_cluster": _of(
        "ecs", "CreateCluster", "DescribeClusters", "DeleteCluster", "TagResource"
    ),
    "aws_ecs_cluster_capacity_providers": _of("ecs", "PutClusterCapacityProviders"),
    "aws_ecs_service": _of(
        "ecs", "CreateService", "DescribeServices", "UpdateService", "DeleteService", "TagResource"
    ),
    "aws_ecs_task_definition": (
        *_of("ecs", "RegisterTaskDefinition", "DescribeTaskDefinition",
             "DeregisterTaskDefinition", "TagResource"),
        "iam:PassRole",
    ),
    "aws_eip": _of("ec2", "AllocateAddress", "DescribeAddresses", "ReleaseAddress", "CreateTags"),
    "aws_flow_log": (
        *_of("ec2", "CreateFlowLogs", "DescribeFlowLogs", "DeleteFlowLogs"), "iam:PassRole"
    ),
    "aws_iam_policy": _of(
        "iam", "CreatePolicy", "GetPolicy", "GetPolicyVersion", "DeletePolicy",
        "ListPolicyVersions", "TagPolicy",
    ),
    "aws_iam_role": _of(
        "iam", "CreateRole", "GetRole", "DeleteRole", "ListRolePolicies",
        "ListAttachedRolePolicies", "ListInstanceProfilesForRole", "TagRole",
    ),
    "aws_iam_role_policy": _of("iam", "PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy"),
    "aws_iam_role_policy_attachment": _of(
        "iam", "AttachRolePolicy", "DetachRolePolicy", "ListAttachedRolePolicies"
    ),
    "aws_internet_gateway": _of(
        "ec2", "CreateInternetGateway", "AttachInternetGateway", "DescribeInternetGateways",
        "DetachInternetGateway", "DeleteInternetGateway",
    ),
    "aws_kms_alias": _of("kms", "CreateAlias", "ListAliases", "DeleteAlias"),
    "aws_kms_key": _of(
        "kms", "CreateKey", "DescribeKey", "GetKeyPolicy", "PutKeyPolicy", "EnableKeyRotation",
        "GetKeyRotationStatus", "ListResourceTags", "ScheduleKeyDeletion", "TagResource",
    ),
    "aws_lb": (
        *_of(_LB, "CreateLoadBalancer", "DescribeLoadBalancers", "ModifyLoadBalancerAttributes",
             "DescribeLoadBalancerAttributes", "DeleteLoadBalancer", "AddTags", "DescribeTags"),
        "iam:CreateServiceLinkedRole",
    ),
    "aws_lb_listener": _of(_LB, "CreateListener", "DescribeListeners", "DeleteListener",
                           "DescribeListenerAttributes"),
    "aws_lb_listener_rule": _of(_LB, "CreateRule", "DescribeRules", "ModifyRule", "DeleteRule"),
    "aws_lb_target_group": _of(
        _LB, "CreateTargetGroup", "DescribeTargetGroups", "ModifyTargetGroupAttributes",
        "DescribeTargetGroupAttributes", "DeleteTargetGroup",
    ),
    "aws_lb_target_group_attachment": _of(
        _LB, "RegisterTargets", "DescribeTargetHealth", "DeregisterTargets"
    ),
    "aws_nat_gateway": _of("ec2", "CreateNatGateway", "DescribeNatGateways", "DeleteNatGateway"),
    "aws_network_acl": _of(
        "ec2", "CreateNetworkAcl", "DescribeNetworkAcls", "ReplaceNetworkAclAssociation",
        "DeleteNetworkAcl",
    ),
    "aws_network_acl_rule": _of("ec2", "CreateNetworkAclEntry", "DeleteNetworkAclEntry"),
    "aws_route": _of("ec2", "CreateRoute", "DescribeRouteTables", "DeleteRoute"),
    "aws_route53_record": _of(
        "route53", "ChangeResourceRecordSets", "GetChange", "ListResourceRecordSets",
        "GetHostedZone",
    ),
    "aws_route53_zone": _of(
        "route53", "CreateHostedZone", "GetHostedZone", "ListTagsForResource", "DeleteHostedZone"
    ),
    "aws_route_table": _of(
        "ec2", "CreateRouteTable", "CreateRoute", "DescribeRouteTables", "DeleteRouteTable"
    ),
    "aws_route_table_association": _of("ec2", "AssociateRouteTable", "DisassociateRouteTable"),
    "aws_s3_bucket": _of(
        "s3", "CreateBucket", "ListBucket", "DeleteBucket", "GetBucketLocation", "GetBucketPolicy",
        "GetBucketAcl", "GetBucketTagging", "PutBucketTagging", "GetEncryptionConfiguration",
    ),
    "aws_s3_bucket_lifecycle_configuration": (
        *_S3_ATTRIBUTE, *_of("s3", "PutLifecycleConfiguration", "GetLifecycleConfiguration")
    ),
    "aws_s3_bucket_logging": (
        *_S3_ATTRIBUTE, *_of("s3", "PutBucketLogging", "GetBucketLogging")
    ),
    "aws_s3_bucket_policy": (
        *_S3_ATTRIBUTE, *_of("s3", "PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy")
    ),
    "aws_s3_bucket_public_access_block": (
        *_S3_ATTRIBUTE, *_of("s3", "PutBucketPublicAccessBlock", "GetBucketPublicAccessBlock")
    ),
    "aws_s3_bucket_server_side_encryption_configuration": (
        *_S3_ATTRIBUTE, *_of("s3", "PutEncryptionConfiguration", "GetEncryptionConfiguration")
    ),
    "aws_s3_bucket_versioning": (
        *_S3_ATTRIBUTE, *_of("s3", "PutBucketVersioning", "GetBucketVersioning")
    ),
    "aws_s3_object": _of("s3", "PutObject", "GetObject", "DeleteObject", "GetObjectTagging"),
    "aws_secretsmanager_secret": _of(
        "secretsmanager", "CreateSecret", "DescribeSecret", "GetResourcePolicy", "DeleteSecret",
        "TagResource",
    ),
    "aws_secretsmanager_secret_version": _of(
        "secretsmanager", "PutSecretValue", "GetSecretValue", "UpdateSecretVersionStage"
    ),
    "aws_security_group": _of(
        "ec2", "CreateSecurityGroup", "DescribeSecurityGroups", "AuthorizeSecurityGroupIngress",
        "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress", "DeleteSecurityGroup",
        "CreateTags",
    ),
    "aws_security_group_rule": _of(
        "ec2", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress",
    ),
    "aws_sns_topic": _of(
        "sns", "CreateTopic", "GetTopicAttributes", "SetTopicAttributes", "DeleteTopic",
        "ListTagsForResource", "TagResource",
    ),
    "aws_sns_topic_policy": _of("sns", "SetTopicAttributes", "GetTopicAttributes"),
    "aws_sns_topic_subscription": _of(
        "sns", "Subscribe", "GetSubscriptionAttributes", "Unsubscribe"
    ),
    "aws_sqs_queue": _of(
        "sqs", "CreateQueue", "GetQueueAttributes", "SetQueueAttributes", "DeleteQueue",
        "ListQueueTags", "TagQueue",
    ),
    "aws_sqs_queue_policy": _of("sqs", "SetQueueAttributes", "GetQueueAttributes"),
    "aws_ssm_parameter": _of(
        "ssm", "PutParameter", "GetParameter", "DescribeParameters", "DeleteParameter",
        "ListTagsForResource", "AddTagsToResource",
    ),
    "aws_subnet": _of("ec2", "CreateSubnet", "DescribeSubnets", "DeleteSubnet", "CreateTags"),
    "aws_vpc": _of(
        "ec2", "CreateVpc", "DescribeVpcs", "ModifyVpcAttribute", "DescribeVpcAttribute",
        "DeleteVpc", "CreateTags",
    ),
    "aws_vpc_endpoint": _of(
        "ec2", "CreateVpcEndpoint", "DescribeVpcEndpoints", "DescribePrefixLists",
        "DeleteVpcEndpoints",
    ),
    "aws_vpc_security_group_egress_rule": _of(
        "ec2", "AuthorizeSecurityGroupEgress", "DescribeSecurityGroupRules",
        "RevokeSecurityGroupEgress",
    ),
    "aws_vpc_security_group_ingress_rule": _of(
        "ec2", "AuthorizeSecurityGroupIngress", "DescribeSecurityGroupRules",
        "RevokeSecurityGroupIngress",
    ),
}  # fmt: skip

NEED_NOTHING = frozenset({"aws_acm_certificate_validation", "aws_default_security_group"})
"""Types whose calls are those of other types."""

_ROLL = (
    *_of("ecs", "RegisterTaskDefinition", "DescribeServices", "CreateService", "UpdateService",
         "ListTasks", "DescribeTasks", "TagResource", "DeleteService"),
    *_of("application-autoscaling", "DescribeScalableTargets", "DescribeScalingPolicies",
         "RegisterScalableTarget", "PutScalingPolicy"),
    "iam:PassRole",
)  # fmt: skip
_BLUE_GREEN = (
    *_ROLL, *_of(_LB, "DescribeLoadBalancers", "DescribeListeners", "DescribeRules",
                 "ModifyListener", "ModifyRule", "DescribeTargetHealth"),
)  # fmt: skip
_PUSH = _of(
    "ecr", "GetAuthorizationToken", "BatchCheckLayerAvailability", "InitiateLayerUpload",
    "UploadLayerPart", "CompleteLayerUpload", "PutImage",
)  # fmt: skip
_CACHE = _of("s3", "ListBucket", "GetObject", "PutObject")

STEP_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "BuildAndPushECR": _PUSH,
    "EcsBlueGreenCreateService": _BLUE_GREEN,
    "EcsBlueGreenRollback": _BLUE_GREEN,
    "EcsBlueGreenSwapTargetGroups": _BLUE_GREEN,
    "EcsBlueGreenTrafficShift": _BLUE_GREEN,
    "EcsCanaryDelete": _ROLL,
    "EcsCanaryDeploy": _ROLL,
    "EcsRollingDeploy": _ROLL,
    "EcsRollingRollback": _ROLL,
    "RestoreCacheS3": _CACHE,
    "SaveCacheS3": _CACHE,
}
