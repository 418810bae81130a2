"""Amazon ECS: control plane and scheduler."""
