"""IAM with AWS's managed policies, for the partition that is used."""

import json
from typing import Any

import moto.iam.urls
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend, ManagedPolicy, iam_backends

PARTITION = "aws"


class SandboxIamBackend(IAMBackend):
    """moto's IAM; it loads the 1,500 managed policies for one partition, not for six."""

    def _init_aws_policies(self) -> list[ManagedPolicy]:
        if self.region_name != PARTITION:
            return []
        policies = json.loads(aws_managed_policies_data)
        return [
            AWSManagedPolicy.from_data(name, self.account_id, self.region_name, data)
            for name, data in policies.items()
        ]

    @property
    def _url_module(self) -> Any:
        return moto.iam.urls


def install(account_id: str) -> None:
    """Make moto use this backend, and make the account's now: each request looks into it."""
    iam_backends.backend = SandboxIamBackend
    iam_backends[account_id][PARTITION]
