"""Operations on the tags of load balancers, listeners, rules and target groups."""

from collections.abc import Mapping
from dataclasses import replace

from sandbox.aws.elbv2 import params, responses
from sandbox.aws.elbv2.records import Listener, LoadBalancer, Rule, TargetGroup
from sandbox.aws.elbv2.state import State
from sandbox.aws.wire import Handler, RequestContext
from sandbox.errors import AwsError
from sandbox.types import JsonObject

_MAX_TAGS = 50


class TagOperations:
    """Handlers; each runs inside `State.change()`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def handlers(self) -> Mapping[str, Handler]:
        """Return the operations by name."""
        return {
            "AddTags": self.add,
            "RemoveTags": self.remove,
            "DescribeTags": self.describe,
        }

    def add(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """AddTags: a key that is there already gets the new value."""
        new = params.pairs(request, "Tags")
        if len(new) != len(params.objects(request, "Tags")):
            raise AwsError("DuplicateTagKeys", "A tag key was specified more than once")
        for arn in params.texts(request, "ResourceArns"):
            record = self._find(arn)
            tags = {**record.tags, **new}
            if len(tags) > _MAX_TAGS:
                raise AwsError("TooManyTags", f"A resource can have at most {_MAX_TAGS} tags")
            self._state.put(replace(record, tags=tags))
        return {}

    def remove(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """RemoveTags: a key that is not there is fine."""
        gone = params.texts(request, "TagKeys")
        for arn in params.texts(request, "ResourceArns"):
            record = self._find(arn)
            tags = {key: value for key, value in record.tags.items() if key not in gone}
            self._state.put(replace(record, tags=tags))
        return {}

    def describe(self, _context: RequestContext, request: JsonObject) -> JsonObject:
        """DescribeTags."""
        return {
            "TagDescriptions": [
                {"ResourceArn": arn, "Tags": responses.key_values(self._find(arn).tags)}
                for arn in params.texts(request, "ResourceArns")
            ]
        }

    def _find(self, arn: str) -> LoadBalancer | Listener | Rule | TargetGroup:
        kind = arn.partition(":elasticloadbalancing:")[2].split(":")[-1].partition("/")[0]
        match kind:
            case "loadbalancer":
                return self._state.load_balancer(arn)
            case "listener":
                return self._state.listener(arn)
            case "listener-rule":
                return self._state.rule(arn)
            case "targetgroup":
                return self._state.target_group(arn)
        raise AwsError("ValidationError", f"'{arn}' is not a valid resource ARN")
