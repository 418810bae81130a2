"""Where an API operation and its IAM action differ, and which operations are data events.

Sources: S3 user guide, "Required permissions for Amazon S3 API operations"; Service
Authorization Reference; CloudTrail user guide, "Logging data events"; the guides of each
service on `iam:PassRole`. An operation that is not here has the action of its own name.
"""

from collections.abc import Mapping

PREFIXES: Mapping[str, str] = {
    "elbv2": "elasticloadbalancing",
    "elb": "elasticloadbalancing",
    "cloudwatch": "cloudwatch",
    "awslambda": "lambda",
    "stepfunctions": "states",
    "resourcegroupstaggingapi": "tag",
    "opensearch": "es",
    "efs": "elasticfilesystem",
    "emr": "elasticmapreduce",
    "sesv2": "ses",
    "cognito-idp": "cognito-idp",
}
"""botocore's name to the prefix of IAM actions, where they differ."""

_OBJECT_READ = ("s3:GetObject",)
_OBJECT_WRITE = ("s3:PutObject",)
_LIFECYCLE_WRITE = ("s3:PutLifecycleConfiguration",)

ACTIONS: Mapping[str, tuple[str, ...]] = {
    # objects of S3
    "s3.HeadObject": _OBJECT_READ,
    "s3.GetObjectAttributes": ("s3:GetObject", "s3:GetObjectAttributes"),
    "s3.SelectObjectContent": _OBJECT_READ,
    "s3.CreateMultipartUpload": _OBJECT_WRITE,
    "s3.UploadPart": _OBJECT_WRITE,
    "s3.UploadPartCopy": _OBJECT_WRITE,
    "s3.CompleteMultipartUpload": _OBJECT_WRITE,
    "s3.CopyObject": _OBJECT_WRITE,
    "s3.DeleteObjects": ("s3:DeleteObject",),
    "s3.ListParts": ("s3:ListMultipartUploadParts",),
    "s3.GetObjectLockConfiguration": ("s3:GetBucketObjectLockConfiguration",),
    "s3.PutObjectLockConfiguration": ("s3:PutBucketObjectLockConfiguration",),
    # buckets of S3
    "s3.ListBuckets": ("s3:ListAllMyBuckets",),
    "s3.HeadBucket": ("s3:ListBucket",),
    "s3.ListObjects": ("s3:ListBucket",),
    "s3.ListObjectsV2": ("s3:ListBucket",),
    "s3.ListObjectVersions": ("s3:ListBucketVersions",),
    "s3.ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "s3.GetBucketAccelerateConfiguration": ("s3:GetAccelerateConfiguration",),
    "s3.PutBucketAccelerateConfiguration": ("s3:PutAccelerateConfiguration",),
    "s3.GetBucketAnalyticsConfiguration": ("s3:GetAnalyticsConfiguration",),
    "s3.ListBucketAnalyticsConfigurations": ("s3:GetAnalyticsConfiguration",),
    "s3.PutBucketAnalyticsConfiguration": ("s3:PutAnalyticsConfiguration",),
    "s3.DeleteBucketAnalyticsConfiguration": ("s3:PutAnalyticsConfiguration",),
    "s3.GetBucketCors": ("s3:GetBucketCORS",),
    "s3.PutBucketCors": ("s3:PutBucketCORS",),
    "s3.DeleteBucketCors": ("s3:PutBucketCORS",),
    "s3.GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3.PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3.DeleteBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3.GetBucketIntelligentTieringConfiguration": ("s3:GetIntelligentTieringConfiguration",),
    "s3.ListBucketIntelligentTieringConfigurations": ("s3:GetIntelligentTieringConfiguration",),
    "s3.PutBucketIntelligentTieringConfiguration": ("s3:PutIntelligentTieringConfiguration",),
    "s3.DeleteBucketIntelligentTieringConfiguration": ("s3:PutIntelligentTieringConfiguration",),
    "s3.GetBucketInventoryConfiguration": ("s3:GetInventoryConfiguration",),
    "s3.ListBucketInventoryConfigurations": ("s3:GetInventoryConfiguration",),
    "s3.PutBucketInventoryConfiguration": ("s3:PutInventoryConfiguration",),
    "s3.DeleteBucketInventoryConfiguration": ("s3:PutInventoryConfiguration",),
    "s3.GetBucketLifecycle": ("s3:GetLifecycleConfiguration",),
    "s3.GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "s3.PutBucketLifecycle": _LIFECYCLE_WRITE,
    "s3.PutBucketLifecycleConfiguration": _LIFECYCLE_WRITE,
    "s3.DeleteBucketLifecycle": _LIFECYCLE_WRITE,
    "s3.GetBucketMetricsConfiguration": ("s3:GetMetricsConfiguration",),
    "s3.ListBucketMetricsConfigurations": ("s3:GetMetricsConfiguration",),
    "s3.PutBucketMetricsConfiguration": ("s3:PutMetricsConfiguration",),
    "s3.DeleteBucketMetricsConfiguration": ("s3:PutMetricsConfiguration",),
    "s3.GetBucketNotificationConfiguration": ("s3:GetBucketNotification",),
    "s3.PutBucketNotificationConfiguration": ("s3:PutBucketNotification",),
    "s3.DeleteBucketOwnershipControls": ("s3:PutBucketOwnershipControls",),
    "s3.GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3.PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3.DeletePublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3.GetBucketReplication": ("s3:GetReplicationConfiguration",),
    "s3.PutBucketReplication": ("s3:PutReplicationConfiguration",),
    "s3.DeleteBucketReplication": ("s3:PutReplicationConfiguration",),
    "s3.DeleteBucketTagging": ("s3:PutBucketTagging",),
    # others
    "budgets.CreateBudget": ("budgets:ModifyBudget",),
    "budgets.UpdateBudget": ("budgets:ModifyBudget",),
    "budgets.DeleteBudget": ("budgets:ModifyBudget",),
    "budgets.CreateNotification": ("budgets:ModifyBudget",),
    "budgets.UpdateNotification": ("budgets:ModifyBudget",),
    "budgets.DeleteNotification": ("budgets:ModifyBudget",),
    "budgets.CreateSubscriber": ("budgets:ModifyBudget",),
    "budgets.UpdateSubscriber": ("budgets:ModifyBudget",),
    "budgets.DeleteSubscriber": ("budgets:ModifyBudget",),
    "budgets.DescribeBudget": ("budgets:ViewBudget",),
    "budgets.DescribeBudgets": ("budgets:ViewBudget",),
    "budgets.DescribeBudgetPerformanceHistory": ("budgets:ViewBudget",),
    "budgets.DescribeNotificationsForBudget": ("budgets:ViewBudget",),
    "budgets.DescribeBudgetNotificationsForAccount": ("budgets:ViewBudget",),
    "budgets.DescribeSubscribersForNotification": ("budgets:ViewBudget",),
    "kms.ReEncrypt": ("kms:ReEncryptFrom", "kms:ReEncryptTo"),
    "lambda.Invoke": ("lambda:InvokeFunction",),
    "lambda.InvokeWithResponseStream": ("lambda:InvokeFunction",),
    "sns.PublishBatch": ("sns:Publish",),
    "sqs.SendMessageBatch": ("sqs:SendMessage",),
    "sqs.DeleteMessageBatch": ("sqs:DeleteMessage",),
    "sqs.ChangeMessageVisibilityBatch": ("sqs:ChangeMessageVisibility",),
    "dynamodb.TransactGetItems": ("dynamodb:GetItem",),
    "dynamodb.TransactWriteItems": (
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    ),
    "secretsmanager.BatchGetSecretValue": (
        "secretsmanager:BatchGetSecretValue",
        "secretsmanager:GetSecretValue",
    ),
}
"""`service.Operation` to IAM actions."""

WITH_PARAMETER: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("s3.PutObject", "Tagging"): ("s3:PutObjectTagging",),
    ("s3.CreateMultipartUpload", "Tagging"): ("s3:PutObjectTagging",),
    ("s3.CopyObject", "Tagging"): ("s3:PutObjectTagging",),
    ("s3.PutObject", "ACL"): ("s3:PutObjectAcl",),
    ("s3.CreateMultipartUpload", "ACL"): ("s3:PutObjectAcl",),
    ("s3.CopyObject", "ACL"): ("s3:PutObjectAcl",),
    ("s3.GetObject", "VersionId"): ("s3:GetObjectVersion",),
    ("s3.HeadObject", "VersionId"): ("s3:GetObjectVersion",),
    ("s3.DeleteObject", "VersionId"): ("s3:DeleteObjectVersion",),
    ("s3.CreateBucket", "ObjectLockEnabledForBucket"): (
        "s3:PutBucketObjectLockConfiguration",
        "s3:PutBucketVersioning",
    ),
    ("s3.CreateBucket", "ObjectOwnership"): ("s3:PutBucketOwnershipControls",),
    ("ecs.CreateService", "tags"): ("ecs:TagResource",),
    ("ecs.CreateCluster", "tags"): ("ecs:TagResource",),
    ("ecs.RegisterTaskDefinition", "tags"): ("ecs:TagResource",),
    ("ecs.RunTask", "tags"): ("ecs:TagResource",),
    ("ecr.CreateRepository", "tags"): ("ecr:TagResource",),
    ("elbv2.CreateLoadBalancer", "Tags"): ("elasticloadbalancing:AddTags",),
    ("elbv2.CreateTargetGroup", "Tags"): ("elasticloadbalancing:AddTags",),
    ("elbv2.CreateListener", "Tags"): ("elasticloadbalancing:AddTags",),
    ("elbv2.CreateRule", "Tags"): ("elasticloadbalancing:AddTags",),
    ("iam.CreateRole", "Tags"): ("iam:TagRole",),
    ("iam.CreatePolicy", "Tags"): ("iam:TagPolicy",),
    ("iam.CreateUser", "Tags"): ("iam:TagUser",),
    ("logs.CreateLogGroup", "tags"): ("logs:TagResource",),
    ("kms.CreateKey", "Tags"): ("kms:TagResource",),
    ("secretsmanager.CreateSecret", "Tags"): ("secretsmanager:TagResource",),
    ("sns.CreateTopic", "Tags"): ("sns:TagResource",),
    ("sqs.CreateQueue", "tags"): ("sqs:TagQueue",),
    ("ssm.PutParameter", "Tags"): ("ssm:AddTagsToResource",),
    ("cloudwatch.PutMetricAlarm", "Tags"): ("cloudwatch:TagResource",),
    ("cloudtrail.CreateTrail", "TagsList"): ("cloudtrail:AddTags",),
    ("acm.RequestCertificate", "Tags"): ("acm:AddTagsToCertificate",),
    ("events.PutRule", "Tags"): ("events:TagResource",),
    ("budgets.CreateBudget", "ResourceTags"): ("budgets:TagResource",),
    ("application-autoscaling.RegisterScalableTarget", "Tags"): (
        "application-autoscaling:TagResource",
    ),
    ("lambda.CreateFunction", "Tags"): ("lambda:TagResource",),
}
"""An action more where the request says something that has a permission of its own."""

NO_PERMISSION = frozenset({"sts.GetCallerIdentity", "sts.GetSessionToken"})
"""Source: IAM user guide, "Permissions required to use AWS STS": none is needed."""

PASSED_TO: Mapping[str, str] = {
    "ecs.RegisterTaskDefinition": "ecs-tasks.amazonaws.com",
    "ecs.RunTask": "ecs-tasks.amazonaws.com",
    "ecs.StartTask": "ecs-tasks.amazonaws.com",
    "ecs.CreateService": "ecs-tasks.amazonaws.com",
    "ecs.UpdateService": "ecs-tasks.amazonaws.com",
    "ecs.CreateTaskSet": "ecs-tasks.amazonaws.com",
    "cloudtrail.CreateTrail": "cloudtrail.amazonaws.com",
    "cloudtrail.UpdateTrail": "cloudtrail.amazonaws.com",
    "ec2.CreateFlowLogs": "vpc-flow-logs.amazonaws.com",
    "events.PutTargets": "events.amazonaws.com",
    "iam.AddRoleToInstanceProfile": "ec2.amazonaws.com",
    "lambda.CreateFunction": "lambda.amazonaws.com",
    "lambda.UpdateFunctionConfiguration": "lambda.amazonaws.com",
    "logs.PutSubscriptionFilter": "logs.amazonaws.com",
    "s3.PutBucketReplication": "s3.amazonaws.com",
    "stepfunctions.CreateStateMachine": "states.amazonaws.com",
}
"""Operations that hand a role on, and to whom. ECS asks for the roles of a task definition
wherever tasks are launched from it. Source: ECS developer guide, "IAM roles", and each
service's own guide."""

_SQS = "SendMessage SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch"
_DYNAMODB = (
    "BatchGetItem BatchWriteItem DeleteItem GetItem PutItem Query Scan TransactGetItems "
    "TransactWriteItems UpdateItem BatchExecuteStatement ExecuteStatement ExecuteTransaction"
)
_CLOUDWATCH = "PutMetricData GetMetricData GetMetricStatistics ListMetrics GetMetricWidgetImage"
DATA_EVENTS: Mapping[str, frozenset[str]] = {
    "s3": frozenset({"HeadBucket", "ListObjects", "ListObjectsV2", "ListObjectVersions"}),
    "sns": frozenset({"Publish", "PublishBatch"}),
    "sqs": frozenset(_SQS.split()),
    "dynamodb": frozenset(_DYNAMODB.split()),
    "lambda": frozenset({"Invoke", "InvokeWithResponseStream", "InvokeAsync"}),
    "kinesis": frozenset({"PutRecord", "PutRecords", "GetRecords", "GetShardIterator"}),
    "logs": frozenset({"PutLogEvents", "GetLogEvents", "FilterLogEvents", "GetLogRecord"}),
    "cloudwatch": frozenset(_CLOUDWATCH.split()),
    "ecr": frozenset(
        {
            "BatchCheckLayerAvailability",
            "CompleteLayerUpload",
            "GetDownloadUrlForLayer",
            "InitiateLayerUpload",
            "UploadLayerPart",
        }
    ),
}
"""Operations that the event history leaves out; S3's on an object (with a `Key`) come on top.

Unverified: those of `logs` and `ecr`. ECR's own guide shows layer uploads in a trail; here
only the image as a whole is an event, so that one push does not hide a day's history."""


_READING = ("Describe", "List", "Get", "Head", "BatchGet", "Lookup", "Search", "Simulate")


def is_data_event(service: str, operation: str, parameters: Mapping[str, object]) -> bool:
    """Tell whether a call is a data event: no part of the event history."""
    if service == "s3" and ("Key" in parameters or operation == "DeleteObjects"):
        return True
    return operation in DATA_EVENTS.get(service, ())


def is_read_only(operation: str) -> bool:
    """Tell whether CloudTrail calls an operation a read. Unverified: by its verb alone."""
    return operation.startswith(_READING) or operation == "Decrypt"


def iam_actions(service: str, operation: str, parameters: Mapping[str, object]) -> tuple[str, ...]:
    """Return the IAM actions that a call needs, PassRole apart."""
    name = f"{service}.{operation}"
    if name in NO_PERMISSION:
        return ()
    prefix = PREFIXES.get(service, service)
    found = ACTIONS.get(name, (f"{prefix}:{operation}",))
    more = [
        action
        for (operation_name, parameter), actions in WITH_PARAMETER.items()
        if operation_name == name and parameters.get(parameter)
        for action in actions
    ]
    if service == "ec2" and parameters.get("TagSpecifications"):
        more.append("ec2:CreateTags")
    return (*found, *more)
