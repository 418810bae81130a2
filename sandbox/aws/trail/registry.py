"""A request to the OCI registry as the ECR calls that it is; it reads no content.

Source: ECR user guide, "Required IAM permissions for pushing an image"; the operations that
docker's requests need are those that the ECR API has for them.
"""

import base64
import binascii
import re

from sandbox.aws.trail.calls import Call

_PATHS = (
    ("manifest", re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")),
    ("upload", re.compile(r"/v2/(?P<name>.+)/blobs/uploads/?[^/]*")),
    ("blob", re.compile(r"/v2/(?P<name>.+)/blobs/(?P<reference>[^/]+)")),
)
_OPERATIONS = {
    ("manifest", "GET"): "BatchGetImage",
    ("manifest", "HEAD"): "BatchGetImage",
    ("manifest", "PUT"): "PutImage",
    ("upload", "POST"): "InitiateLayerUpload",
    ("upload", "PATCH"): "UploadLayerPart",
    ("upload", "PUT"): "CompleteLayerUpload",
    ("blob", "GET"): "GetDownloadUrlForLayer",
    ("blob", "HEAD"): "BatchCheckLayerAvailability",
}
_CODES = {
    ("manifest", 404): "ImageNotFoundException",
    ("blob", 404): "LayerInaccessibleException",
}
_HOST = re.compile(r"(\d{12})\.dkr\.ecr\.([\w-]+)\.amazonaws\.com/")


def registry_call(method: str, path: str, status: int) -> tuple[Call, str] | None:
    """Return the call behind a request and the region that it names, if any.

    None for what needs no permission of a repository: the ping, and a challenge.
    """
    if status == 401:
        return None
    for kind, pattern in _PATHS:
        match = pattern.fullmatch(path)
        operation = _OPERATIONS.get((kind, method))
        if match is None or operation is None:
            continue
        name = match["name"]
        host = _HOST.match(name)
        parameters: dict[str, object] = {"repositoryName": name[host.end() :] if host else name}
        if kind == "manifest":
            reference = match["reference"]
            key = "imageDigest" if reference.startswith("sha256:") else "imageTag"
            if operation == "PutImage":
                parameters[key] = reference
            else:
                parameters["imageIds"] = [{key: reference}]
        code = _CODES.get((kind, status), str(status)) if status >= 400 else ""
        call = Call(service="ecr", operation=operation, parameters=parameters, error_code=code)
        return call, host.group(2) if host else ""
    return None


def token_holder(authorization: str) -> str:
    """Return the access key that asked for a registry token; `""` where it does not say.

    The registry has checked the token; an unchecked one is answered by 401, hence no call.
    """
    try:
        login = base64.b64decode(authorization.partition(" ")[2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return login.rpartition(".")[2] if "." in login else ""
