"""Amazon ECR: repositories and the OCI distribution API."""
