"""Images on a container engine: base images for a machine without a registry, builds, pushes."""
