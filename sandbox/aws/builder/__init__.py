"""Builds images without a container engine, from an app folder and its Dockerfile."""
