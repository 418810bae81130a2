"""What the ECS steps share: AWS clients, manifests, services, rules, scaling, steady state."""
