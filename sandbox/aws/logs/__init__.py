"""CloudWatch Logs: durable events behind the control plane."""
