# The one bucket that holds the state of every environment, under <environment>/terraform.tfstate.
# Its own state is local: it is the only thing here that cannot live in itself.

locals {
  bucket = join("-", compact([var.project, "tfstate", var.name_suffix]))
}

resource "aws_s3_bucket" "state" {
  # checkov:skip=CKV_AWS_18:Reads of the state are in CloudTrail; a log bucket for one state bucket is not worth its keep
  # checkov:skip=CKV_AWS_144:A state is rebuilt from code and import; one region is enough for a workshop
  # checkov:skip=CKV2_AWS_61:Old versions of a state are its backup, and a few kilobytes each
  # checkov:skip=CKV2_AWS_62:Nothing listens to changes of the state
  bucket        = local.bucket
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm = "aws:kms"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

data "aws_iam_policy_document" "tls_only" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id
  policy = data.aws_iam_policy_document.tls_only.json

  depends_on = [aws_s3_bucket_public_access_block.state]
}
