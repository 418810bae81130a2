"""Names of ECS resources: ARNs made, ARNs and short names read; pure."""

import secrets
import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a resource lives: one account, one region."""

    account_id: str
    region: str

    def arn(self, resource: str) -> str:
        """Return the ARN of `resource` in this scope."""
        return f"arn:aws:ecs:{self.region}:{self.account_id}:{resource}"

    def cluster(self, name: str) -> str:
        """Return the ARN of a cluster."""
        return self.arn(f"cluster/{name}")

    def service(self, cluster_name: str, name: str) -> str:
        """Return the long ARN of a service."""
        return self.arn(f"service/{cluster_name}/{name}")

    def task(self, cluster_name: str, task_id: str) -> str:
        """Return the long ARN of a task."""
        return self.arn(f"task/{cluster_name}/{task_id}")

    def container(self, cluster_name: str, task_id: str) -> str:
        """Return a new ARN of a container of a task."""
        return self.arn(f"container/{cluster_name}/{task_id}/{uuid.uuid4()}")

    def task_definition(self, family: str, revision: int) -> str:
        """Return the ARN of a task definition."""
        return self.arn(f"task-definition/{family}:{revision}")


def scope_of(arn: str) -> Scope:
    """Return the scope that an ARN names."""
    parts = arn.split(":")
    return Scope(account_id=parts[4], region=parts[3])


def short_name(name_or_arn: str) -> str:
    """Return the last part of an ARN, or the name as it is."""
    return name_or_arn.rpartition("/")[2]


def new_task_id() -> str:
    """Return a task id: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def new_deployment_id() -> str:
    """Return a deployment id: `ecs-svc/` and 19 digits."""
    return f"ecs-svc/{secrets.randbelow(9 * 10**18) + 10**18}"
