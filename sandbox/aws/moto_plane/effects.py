"""Which requests change moto's state, and which may not be run at all.

The operation's name decides; services that speak REST are judged by the HTTP method.
"""

import json
import re

from sandbox.aws.wire import WireRequest, form_parameters

_READS = re.compile(
    r"(Describe|List|Get|Head|BatchGet|BatchDescribe|TransactGet|Query|Scan|Lookup|Search|"
    r"Filter|Select|Simulate|Validate|Decode|Check|Estimate|Preview|TestMetric|TestEvent|"
    r"Encrypt|Decrypt|ReEncrypt|GenerateDataKey|GenerateRandom|GenerateMac|Sign|Verify)(?![a-z])"
)
_WRITES_IN_DISGUISE = frozenset({"GetId", "GetOpenIdTokenForDeveloperIdentity", "GetRecords"})
_NEED_AN_ENGINE = frozenset({("lambda", "Invoke"), ("batch", "SubmitJob")})


def operation(request: WireRequest) -> str:
    """Return the operation's name, or "" where only the model of a REST service knows it."""
    target = request.headers.get("X-Amz-Target", "")
    if target:
        return target.rpartition(".")[2]
    if request.path.startswith("/service/"):  # Smithy RPC v2: /service/NAME/operation/NAME
        return request.path.rpartition("/")[2]
    return form_parameters(request).get("Action", "")


def is_write(request: WireRequest, name: str) -> bool:
    """Tell whether the request may change state that must survive."""
    if request.method in {"GET", "HEAD", "OPTIONS"} and not name:
        return False
    if name in _WRITES_IN_DISGUISE:
        return True
    return _READS.match(name) is None


def needs_an_engine(service: str, request: WireRequest, name: str) -> bool:
    """Tell whether moto would start a container for the request, again at each replay."""
    if service in {"awslambda", "lambda"} and request.path.endswith("/invocations"):
        return True
    return (service, name) in _NEED_AN_ENGINE


def poll_seconds(service: str, request: WireRequest, name: str) -> int:
    """Return for how long a ReceiveMessage of SQS is willing to wait."""
    if service != "sqs" or name != "ReceiveMessage":
        return 0
    form = form_parameters(request)
    if "WaitTimeSeconds" in form:
        return int(form["WaitTimeSeconds"])
    try:
        return int(json.loads(request.body).get("WaitTimeSeconds", 0))
    except ValueError:
        return 0
