"""Operations on task definitions."""

from collections.abc import Mapping
from dataclasses import replace

from sandbox.aws.ecs import params as p
from sandbox.aws.ecs import responses
from sandbox.aws.ecs.arns import Scope
from sandbox.aws.ecs.cluster_operations import scope_of
from sandbox.aws.ecs.exceptions import client_exception
from sandbox.aws.ecs.records import Family, TaskDefinition
from sandbox.aws.ecs.state import EcsState
from sandbox.aws.ecs.task_definitions import task_definition_document
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import AwsError
from sandbox.types import JsonObject


class TaskDefinitionOperations:
    """Handlers of task definition calls."""

    def __init__(self, state: EcsState) -> None:
        self._state = state

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Operation names to handlers."""
        return {
            "RegisterTaskDefinition": self.register,
            "DescribeTaskDefinition": self.describe,
            "DeregisterTaskDefinition": self.deregister,
            "DeleteTaskDefinitions": self.delete,
            "ListTaskDefinitions": self.list,
            "ListTaskDefinitionFamilies": self.list_families,
        }

    def register(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Register the next revision of a family."""
        document = task_definition_document(params)
        scope, name = scope_of(context), p.text(params, "family")
        with self._state.transaction():
            key = scope.arn(name)
            family = self._state.families.get(key) or Family(name=name, last_revision=0)
            family = replace(family, last_revision=family.last_revision + 1)
            arn = scope.task_definition(name, family.last_revision)
            made = TaskDefinition(
                arn=arn,
                family=name,
                revision=family.last_revision,
                status="ACTIVE",
                document=document,
                registered_at=context.now,
                registered_by=f"arn:aws:iam::{context.account_id}:root",
                tags=p.tags(params),
            )
            self._state.families.put(key, family)
            self._state.task_definitions.put(arn, made)
        return _answer(made, with_tags=True)

    def describe(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Describe a revision; a family means its latest active one."""
        found = self._state.task_definition(scope_of(context), p.text(params, "taskDefinition"))
        return _answer(found, with_tags="TAGS" in p.texts(params, "include"))

    def deregister(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Make a revision INACTIVE; what uses it goes on."""
        name = p.text(params, "taskDefinition")
        if ":" not in name.rpartition("/")[2]:
            raise client_exception("Revision is missing.")
        with self._state.transaction():
            found = self._state.task_definition(scope_of(context), name)
            if found.status == "ACTIVE":
                found = replace(found, status="INACTIVE", deregistered_at=context.now)
                self._state.task_definitions.put(found.arn, found)
        return {"taskDefinition": responses.task_definition(found)}

    def delete(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """Delete inactive revisions; those in use stay DELETE_IN_PROGRESS."""
        deleted: list[JsonObject] = []
        failures: list[JsonObject] = []
        for name in p.texts(params, "taskDefinitions"):
            try:
                found = self._state.task_definition(scope_of(context), name)
            except AwsError:
                failures.append(responses.failure(name))
                continue
            if found.status == "ACTIVE":
                failures.append(
                    {
                        "arn": found.arn,
                        "reason": "The specified task definition is still in ACTIVE status. "
                        "Please deregister the target and try again.",
                    }
                )
                continue
            found = replace(found, status="DELETE_IN_PROGRESS", delete_requested_at=context.now)
            self._state.task_definitions.put(found.arn, found)
            deleted.append(responses.task_definition(found))
        return {"taskDefinitions": deleted, "failures": failures}

    def list(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """List revisions of one status."""
        status = p.text(params, "status") or "ACTIVE"
        prefix = p.text(params, "familyPrefix")
        found = [
            t
            for t in self._in_scope(scope_of(context))
            if t.status == status and prefix in ("", t.family)
        ]
        found.sort(key=lambda t: (t.family, t.revision), reverse=p.text(params, "sort") == "DESC")
        page, token = p.page([t.arn for t in found], params)
        return p.present(taskDefinitionArns=page, nextToken=token)

    def list_families(self, context: RequestContext, params: JsonObject) -> JsonObject:
        """List families by prefix and status."""
        status = p.text(params, "status") or "ALL"
        prefix = p.text(params, "familyPrefix")
        statuses: dict[str, set[str]] = {}
        for definition in self._in_scope(scope_of(context)):
            statuses.setdefault(definition.family, set()).add(definition.status)
        families = sorted(
            family
            for family, seen in statuses.items()
            if family.startswith(prefix)
            and (status == "ALL" or (status == "ACTIVE") == ("ACTIVE" in seen))
        )
        page, token = p.page(families, params)
        return p.present(families=page, nextToken=token)

    def _in_scope(self, scope: Scope) -> tuple[TaskDefinition, ...]:
        prefix = scope.arn("task-definition/")
        every = self._state.task_definitions.values()
        return tuple(t for t in every if t.arn.startswith(prefix))


def _answer(record: TaskDefinition, *, with_tags: bool) -> JsonObject:
    answer: dict[str, object] = {"taskDefinition": responses.task_definition(record)}
    if with_tags:
        answer["tags"] = p.wire_tags(record.tags)
    return answer
