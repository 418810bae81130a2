locals {
  elb_metrics = {
    "Requests and errors" = [
      ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", var.load_balancer_arn_suffix, { stat = "Sum" }],
      [".", "HTTPCode_Target_4XX_Count", ".", ".", { stat = "Sum" }],
      [".", "HTTPCode_Target_5XX_Count", ".", ".", { stat = "Sum" }],
      [".", "HTTPCode_ELB_5XX_Count", ".", ".", { stat = "Sum" }],
    ]
    "Response time" = [
      for percentile in ["p50", "p95", "p99"] :
      ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.load_balancer_arn_suffix, { stat = percentile, label = percentile }]
    ]
    "Healthy targets" = flatten([
      for service, suffixes in var.target_group_arn_suffixes : [
        for suffix in suffixes :
        [["AWS/ApplicationELB", "HealthyHostCount", "TargetGroup", suffix, "LoadBalancer", var.load_balancer_arn_suffix, { stat = "Minimum", label = suffix }]]
      ]
    ])
  }

  ecs_metrics = {
    for metric in ["CPUUtilization", "MemoryUtilization"] : metric => [
      for service in sort(tolist(var.ecs_service_names)) :
      ["AWS/ECS", metric, "ClusterName", var.cluster_name, "ServiceName", service, { stat = "Average", label = service }]
    ]
  }
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for index, widget in [
        { title = "Requests and errors", metrics = local.elb_metrics["Requests and errors"] },
        { title = "Response time", metrics = local.elb_metrics["Response time"] },
        { title = "Healthy targets", metrics = local.elb_metrics["Healthy targets"] },
        { title = "CPU (%)", metrics = local.ecs_metrics["CPUUtilization"] },
        { title = "Memory (%)", metrics = local.ecs_metrics["MemoryUtilization"] },
        ] : {
        type   = "metric"
        x      = (index % 2) * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          region  = local.region
          period  = 60
          view    = "timeSeries"
          metrics = widget.metrics
        }
      }
    ]
  })
}
