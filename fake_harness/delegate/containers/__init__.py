"""Steps in containers: what of a step goes to a container engine, and back."""
