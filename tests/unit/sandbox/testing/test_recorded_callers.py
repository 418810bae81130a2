"""A recorded call tells whether a test, the pipeline or a task made it."""

import io
from collections.abc import Iterable
from typing import Any

import pytest

from sandbox.aws.trail.callers import TaskCredentials
from sandbox.testing.recorder import Recorder
from sandbox.testing.settings import PIPELINE_KEY, TEST_KEY

TASK = TaskCredentials().environment(
    role_arn="arn:aws:iam::000000000000:role/task", task_arn="arn:x:task/c/1", family="web"
)


def gateway(_environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"{}"]


@pytest.mark.parametrize(
    ("key", "token", "by"),
    [
        (TEST_KEY, "", "test"),
        (PIPELINE_KEY, "", "pipeline"),
        (TASK["AWS_ACCESS_KEY_ID"], TASK["AWS_SESSION_TOKEN"], "task"),
        ("AKIAOTHER", "", "AKIAOTHER"),
    ],
)
def test_call_is_attributed_by_its_credentials(key: str, token: str, by: str) -> None:
    recorder = Recorder(gateway, "us-east-1")
    scope = f"{key}/20260101/us-east-1/ecs/aws4_request"
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "wsgi.input": io.BytesIO(b""),
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0",
        "HTTP_X_AMZ_TARGET": "AmazonEC2ContainerServiceV20141113.ListClusters",
        "HTTP_X_AMZ_SECURITY_TOKEN": token,
    }
    start: Any = lambda *_: None  # noqa: E731
    list(recorder(environ, start))
    (call,) = recorder.calls()
    assert (call["operation"], call["by"]) == ("ListClusters", by)
