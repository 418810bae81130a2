"""Tag calls on every kind of ECS resource."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from sandbox.aws.ecs import params as p
from sandbox.aws.ecs.exceptions import resource_not_found
from sandbox.aws.ecs.state import EcsState
from sandbox.aws.wire import Handler, RequestContext
from sandbox.types import JsonObject

Tags = Mapping[str, str]


class TagOperations:
    """Handlers of tag calls."""

    def __init__(self, state: EcsState) -> None:
        self._state = state

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Operation names to handlers."""
        return {
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "ListTagsForResource": self.list,
        }

    def tag(self, _: RequestContext, params: JsonObject) -> JsonObject:
        """Add tags, or change their values."""
        added = p.tags(params)
        self._change(p.text(params, "resourceArn"), lambda tags: {**tags, **added})
        return {}

    def untag(self, _: RequestContext, params: JsonObject) -> JsonObject:
        """Remove tags by key."""
        gone = set(p.texts(params, "tagKeys"))
        self._change(
            p.text(params, "resourceArn"),
            lambda tags: {k: v for k, v in tags.items() if k not in gone},
        )
        return {}

    def list(self, _: RequestContext, params: JsonObject) -> JsonObject:
        """List the tags of a resource."""
        return {"tags": p.wire_tags(self._tags(p.text(params, "resourceArn")))}

    def _tags(self, arn: str) -> Tags:
        state = self._state
        found = (
            state.clusters.get(arn)
            or state.services.get(arn)
            or state.task_definitions.get(arn)
            or state.tasks.get(arn)
        )
        if found is None:
            raise resource_not_found(arn)
        return found.tags

    def _change(self, arn: str, change: Callable[[Tags], Tags]) -> None:
        state = self._state
        with state.transaction():
            tags = change(self._tags(arn))
            if cluster := state.clusters.get(arn):
                state.clusters.put(arn, replace(cluster, tags=tags))
            elif service := state.services.get(arn):
                state.services.put(arn, replace(service, tags=tags))
            elif definition := state.task_definitions.get(arn):
                state.task_definitions.put(arn, replace(definition, tags=tags))
            else:
                state.change_task(arn, lambda t: replace(t, tags=tags))
