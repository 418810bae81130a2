"""ECR: repositories, images and the OCI registry of the local AWS."""
