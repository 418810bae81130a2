# A small stack with everything whose host name has a shape of its own: a state in S3 (the
# bucket is the first label), a registry, a load balancer.

terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }

  backend "s3" {
    bucket       = "road-tfstate"
    key          = "road/terraform.tfstate"
    region       = "us-east-1"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  default_tags {
    tags = {
      stack = "road"
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_availability_zones" "available" {
  state = "available"
}

resource "aws_s3_bucket" "artifacts" {
  bucket = "road-artifacts-${data.aws_caller_identity.current.account_id}"
}

resource "aws_s3_object" "note" {
  bucket  = aws_s3_bucket.artifacts.id
  key     = "notes/the road.txt"
  content = "applied"
}

resource "aws_ecr_repository" "app" {
  name         = "road-app"
  force_delete = true
}

resource "aws_vpc" "this" {
  cidr_block = "10.30.0.0/16"
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_route_table" "this" {
  vpc_id = aws_vpc.this.id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.this.id
  }
}

resource "aws_subnet" "this" {
  count             = 2
  vpc_id            = aws_vpc.this.id
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 8, count.index)
  availability_zone = data.aws_availability_zones.available.names[count.index]
}

resource "aws_route_table_association" "this" {
  count          = 2
  subnet_id      = aws_subnet.this[count.index].id
  route_table_id = aws_route_table.this.id
}

resource "aws_security_group" "this" {
  name   = "road"
  vpc_id = aws_vpc.this.id

  ingress {
    from_port   = 0
    to_port     = 65535
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "this" {
  name               = "road"
  load_balancer_type = "application"
  security_groups    = [aws_security_group.this.id]
  subnets            = aws_subnet.this[*].id
}

resource "aws_lb_target_group" "app" {
  name                 = "road-app"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = aws_vpc.this.id
  deregistration_delay = 10

  health_check {
    path                = "/"
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.app.arn
  }
}

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "execution" {
  name               = "road-execution"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_cloudwatch_log_group" "app" {
  name              = "/road/app"
  retention_in_days = 3
}

resource "aws_ecs_cluster" "this" {
  name = "road"
}

output "harness_variables" {
  value = {
    aws_account_id     = data.aws_caller_identity.current.account_id
    cluster            = aws_ecs_cluster.this.name
    repository         = aws_ecr_repository.app.name
    repository_url     = aws_ecr_repository.app.repository_url
    base_url           = "http://${aws_lb.this.dns_name}"
    target_group_arn   = aws_lb_target_group.app.arn
    subnet             = aws_subnet.this[0].id
    security_group     = aws_security_group.this.id
    execution_role_arn = aws_iam_role.execution.arn
    log_group          = aws_cloudwatch_log_group.app.name
    bucket             = aws_s3_bucket.artifacts.id
  }

  # Tasks that start without the routes cannot pull.
  depends_on = [aws_route_table_association.this, aws_lb_listener.http]
}
