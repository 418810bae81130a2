locals {
  # Warnings come before scaling is exhausted, critical ones when people must look.
  utilization = {
    cpu-warning     = { metric = "CPUUtilization", threshold = 70, minutes = 10 }
    cpu-high        = { metric = "CPUUtilization", threshold = 80, minutes = 5 }
    cpu-critical    = { metric = "CPUUtilization", threshold = 90, minutes = 5 }
    memory-high     = { metric = "MemoryUtilization", threshold = 80, minutes = 5 }
    memory-critical = { metric = "MemoryUtilization", threshold = 90, minutes = 5 }
  }

  utilization_alarms = {
    for pair in setproduct(var.ecs_service_names, keys(local.utilization)) :
    "${pair[0]}-${pair[1]}" => merge(local.utilization[pair[1]], { service = pair[0] })
  }

  error_rates = {
    warning  = { threshold = 5, minutes = 5 }
    critical = { threshold = 10, minutes = 1 }
  }
}

resource "aws_cloudwatch_metric_alarm" "utilization" {
  for_each = local.utilization_alarms

  alarm_name          = each.key
  alarm_description   = "${each.value.metric} of ${each.value.service} above ${each.value.threshold} % for ${each.value.minutes} minutes"
  namespace           = "AWS/ECS"
  metric_name         = each.value.metric
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  dimensions = {
    ClusterName = var.cluster_name
    ServiceName = each.value.service
  }
}

# Both the targets' own 5xx and those that the load balancer answers in their place.
resource "aws_cloudwatch_metric_alarm" "error_rate" {
  for_each = local.error_rates

  alarm_name          = "${var.name}-error-rate-${each.key}"
  alarm_description   = "More than ${each.value.threshold} % of the requests ended in a 5xx for ${each.value.minutes} minutes"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = each.value.minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "rate"
    expression  = "100 * (FILL(target, 0) + FILL(elb, 0)) / requests"
    label       = "5xx share of all requests, in percent"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = {
      target   = "HTTPCode_Target_5XX_Count"
      elb      = "HTTPCode_ELB_5XX_Count"
      requests = "RequestCount"
    }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        stat        = "Sum"
        period      = 60

        dimensions = {
          LoadBalancer = var.load_balancer_arn_suffix
        }
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "response_time" {
  alarm_name          = "${var.name}-response-time"
  alarm_description   = "The slowest 5 % of the answers took more than a second for 5 minutes"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "TargetResponseTime"
  extended_statistic  = "p95"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  dimensions = {
    LoadBalancer = var.load_balancer_arn_suffix
  }
}

resource "aws_cloudwatch_metric_alarm" "unhealthy_hosts" {
  for_each = var.target_group_arn_suffixes

  alarm_name          = "${var.name}-${each.key}-unhealthy-hosts"
  alarm_description   = "A target of ${each.key} failed its health checks for 3 minutes"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "unhealthy"
    expression  = "SUM(METRICS())"
    label       = "Unhealthy targets of ${each.key}"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value

    content {
      id = "m${metric_query.key}"

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = "UnHealthyHostCount"
        stat        = "Maximum"
        period      = 60

        dimensions = {
          LoadBalancer = var.load_balancer_arn_suffix
          TargetGroup  = metric_query.value
        }
      }
    }
  }
}

# Blue and green together: the idle colour has no targets and that is well.
resource "aws_cloudwatch_metric_alarm" "unavailable" {
  for_each = var.target_group_arn_suffixes

  alarm_name          = "${var.name}-${each.key}-unavailable"
  alarm_description   = "No healthy target of ${each.key} for more than a minute"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "healthy"
    expression  = "SUM(METRICS())"
    label       = "Healthy targets of ${each.key}"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value

    content {
      id = "m${metric_query.key}"

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = "HealthyHostCount"
        stat        = "Minimum"
        period      = 60

        dimensions = {
          LoadBalancer = var.load_balancer_arn_suffix
          TargetGroup  = metric_query.value
        }
      }
    }
  }
}
