"""SQS and SNS where moto would block a request, or send one out of the process."""

import json
import threading
from collections.abc import Mapping
from typing import Any

import moto.sns.models
import moto.sqs.models
import moto.sqs.urls
import requests
from moto.sqs.models import Message, Queue, SQSBackend, sqs_backends

from sandbox.aws.moto_plane.moment import current
from sandbox.types import JsonObject

DELIVERY_TIMEOUT_S = 10


class SandboxSqsBackend(SQSBackend):
    """SQS that looks once: `MotoPlane` waits for messages, outside of moto's lock."""

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,  # noqa: ARG002
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        """Return what is visible now."""
        return super().receive_message(
            queue_name, count, 0, visibility_timeout, message_attribute_names
        )

    @property
    def _url_module(self) -> Any:
        return moto.sqs.urls


class SandboxQueue(Queue):
    """A queue that keeps its policy, and says its redrive policy as SQS does."""

    def _set_attributes(self, attributes: dict[str, Any], now: float | None = None) -> None:
        """Set only what is named: moto drops the policy with every other attribute."""
        if "Policy" not in attributes:
            attributes = {**attributes, "Policy": self.policy}
        super()._set_attributes(attributes, now)

    @property
    def attributes(self) -> dict[str, Any]:
        """Terraform compares the text: SQS answers JSON without spaces."""
        answer: dict[str, Any] = super().attributes
        if answer.get("RedrivePolicy"):
            policy = json.loads(answer["RedrivePolicy"])
            answer["RedrivePolicy"] = json.dumps(policy, separators=(",", ":"))
        return answer


class _Deliveries:
    """Stands for `requests` in SNS: delivers to HTTP subscribers, once, in the background."""

    @staticmethod
    def post(url: str, json: JsonObject, headers: Mapping[str, str]) -> None:
        moment = current()
        if moment is not None and moment.is_replay:
            return  # it was delivered when the request was first made
        threading.Thread(
            target=_deliver, args=(url, json, dict(headers)), name="sns-delivery", daemon=True
        ).start()


def _deliver(url: str, message: JsonObject, headers: Mapping[str, str]) -> None:
    try:
        requests.post(url, json=message, headers=headers, timeout=DELIVERY_TIMEOUT_S)
    except requests.RequestException:
        return  # as on AWS, the publisher does not learn of it


def install() -> None:
    """Make moto use them."""
    vars(moto.sqs.models)["Queue"] = SandboxQueue
    sqs_backends.backend = SandboxSqsBackend
    vars(moto.sns.models)["requests"] = _Deliveries
