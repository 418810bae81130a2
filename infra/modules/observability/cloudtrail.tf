locals {
  trail = var.enable_cloudtrail ? { (var.name) = true } : {}
}

resource "aws_cloudwatch_log_group" "trail" {
  # checkov:skip=CKV_AWS_338:The bucket keeps the trail for longer; this group is for looking at the last days
  for_each = local.trail

  name              = "/cloudtrail/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

data "aws_iam_policy_document" "trail_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

data "aws_iam_policy_document" "trail" {
  for_each = local.trail

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.trail[each.key].arn}:*"]
  }
}

resource "aws_iam_role" "trail" {
  for_each = local.trail

  name               = "${each.key}-cloudtrail"
  assume_role_policy = data.aws_iam_policy_document.trail_assume.json
}

resource "aws_iam_role_policy" "trail" {
  for_each = local.trail

  name   = "write-trail"
  role   = aws_iam_role.trail[each.key].id
  policy = data.aws_iam_policy_document.trail[each.key].json
}

resource "aws_cloudtrail" "this" {
  for_each = local.trail

  name                          = each.key
  s3_bucket_name                = var.logs_bucket
  s3_key_prefix                 = "cloudtrail"
  kms_key_id                    = var.kms_key_arn
  sns_topic_name                = aws_sns_topic.alarms.name
  cloud_watch_logs_group_arn    = "${aws_cloudwatch_log_group.trail[each.key].arn}:*"
  cloud_watch_logs_role_arn     = aws_iam_role.trail[each.key].arn
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true

  depends_on = [aws_iam_role_policy.trail, aws_sns_topic_policy.alarms]
}
