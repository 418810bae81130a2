"""Application Auto Scaling: what the local ECS adds to a control plane for the rest."""
