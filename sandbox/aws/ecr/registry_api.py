"""ECR operations on a region's whole registry: its policy, replication and scanning settings.

The settings are kept and answered; nothing is replicated or scanned because of them.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from sandbox.aws.ecr.catalog import Catalog
from sandbox.aws.ecr.parameters import child, objects, text
from sandbox.aws.ecr.records import RegistrySettings
from sandbox.aws.ecr.repository_api import require_policy_document
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import AwsError, not_implemented
from sandbox.types import JsonObject


class RegistryApi:
    """Handlers of the registry operations."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._settings = catalog.store.table("ecr-registry", RegistrySettings)

    @property
    def operations(self) -> Mapping[str, Handler]:
        """Operation names to handlers."""
        return {
            "DescribeRegistry": self.describe,
            "PutReplicationConfiguration": self.put_replication,
            "PutRegistryPolicy": self.put_policy,
            "GetRegistryPolicy": self.get_policy,
            "DeleteRegistryPolicy": self.delete_policy,
            "PutRegistryScanningConfiguration": self.put_scanning,
            "GetRegistryScanningConfiguration": self.get_scanning,
        }

    def describe(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """DescribeRegistry."""
        del params
        replication = _document(self._of(context).replication_text, {"rules": []})
        return {**self._named, "replicationConfiguration": replication}

    def put_replication(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """PutReplicationConfiguration: only the empty one, as nothing would be replicated."""
        wanted = child(params, "replicationConfiguration")
        if objects(wanted, "rules"):
            raise not_implemented("ecr", "PutReplicationConfiguration", "replication rules")
        self._change(context, replication_text=json.dumps(wanted))
        return {"replicationConfiguration": wanted}

    def put_policy(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """PutRegistryPolicy."""
        document = text(params, "policyText")
        require_policy_document("policyText", document)
        self._change(context, policy_text=document)
        return {**self._named, "policyText": document}

    def get_policy(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """GetRegistryPolicy."""
        del params
        document = self._of(context).policy_text
        if not document:
            raise AwsError(
                "RegistryPolicyNotFoundException",
                "Registry policy does not exist in the registry with id "
                f"'{self._catalog.account_id}'",
            )
        return {**self._named, "policyText": document}

    def delete_policy(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """DeleteRegistryPolicy."""
        answer = self.get_policy(context, params)
        self._change(context, policy_text="")
        return answer

    def put_scanning(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """PutRegistryScanningConfiguration."""
        wanted = {
            "scanType": text(params, "scanType", "BASIC"),
            "rules": list(objects(params, "rules")),
        }
        self._change(context, scanning_text=json.dumps(wanted))
        return {"registryScanningConfiguration": wanted}

    def get_scanning(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """GetRegistryScanningConfiguration."""
        del params
        default: JsonObject = {"scanType": "BASIC", "rules": []}
        scanning = _document(self._of(context).scanning_text, default)
        return {**self._named, "scanningConfiguration": scanning}

    @property
    def _named(self) -> JsonObject:
        return {"registryId": self._catalog.account_id}

    def _of(self, context: RequestContext) -> RegistrySettings:
        return self._settings.get(context.region) or RegistrySettings()

    def _change(self, context: RequestContext, **changes: str) -> None:
        with self._catalog.store.transaction():
            self._settings.put(context.region, replace(self._of(context), **changes))


def _document(stored: str, default: JsonObject) -> JsonObject:
    return cast("JsonObject", json.loads(stored)) if stored else default
