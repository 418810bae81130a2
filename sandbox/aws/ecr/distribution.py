"""The OCI distribution protocol over ECR's catalog: what docker and its like push and pull by.

It knows no AWS API. Source: OCI distribution-spec 1.1; the challenge and the error texts
are ECR's.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from werkzeug.utils import send_file
from werkzeug.wrappers import Request, Response

from sandbox.aws.ecr.blobs import DigestMismatchError, UploadRangeError, UploadUnknownError
from sandbox.aws.ecr.catalog import Catalog, Push
from sandbox.aws.ecr.manifests import DIGEST, OCI_INDEX
from sandbox.aws.ecr.records import Image, Repository
from sandbox.aws.ecr.references import parse_repository_path, registry_host
from sandbox.aws.ecr.tokens import TokenMint
from sandbox.aws.names import is_aws_name
from sandbox.errors import AwsError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_MANIFEST_LIMIT_BYTES = 4 * 1024 * 1024
_ROUTES = (
    ("ping", re.compile(r"")),
    ("catalog", re.compile(r"_catalog")),
    ("manifest", re.compile(r"(?P<name>.+)/manifests/(?P<reference>[^/]+)")),
    ("upload", re.compile(r"(?P<name>.+)/blobs/uploads/?(?P<upload_id>[^/]*)")),
    ("blob", re.compile(r"(?P<name>.+)/blobs/(?P<digest>[^/]+)")),
    ("tags", re.compile(r"(?P<name>.+)/tags/list")),
    ("referrers", re.compile(r"(?P<name>.+)/referrers/(?P<digest>[^/]+)")),
)
_OCI_CODES = {
    "RepositoryNotFoundException": (404, "NAME_UNKNOWN"),
    "ImageNotFoundException": (404, "MANIFEST_UNKNOWN"),
    "LayersNotFoundException": (404, "MANIFEST_BLOB_UNKNOWN"),
    "ReferencedImagesNotFoundException": (404, "MANIFEST_BLOB_UNKNOWN"),
    "ImageTagAlreadyExistsException": (400, "TAG_INVALID"),
    "ImageDigestDoesNotMatchException": (400, "DIGEST_INVALID"),
    "InvalidParameterException": (400, "MANIFEST_INVALID"),
}


class OciError(Exception):
    """An error answer of the protocol."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Registry:
    """The WSGI application for `/v2/`. Thread-safe; it holds no state of its own."""

    def __init__(
        self, catalog: Catalog, mint: TokenMint, *, default_region: str, public_host: str
    ) -> None:
        self._catalog = catalog
        self._mint = mint
        self._default_region = default_region
        self._public_host = public_host
        self._routes: Mapping[str, Callable[..., Response]] = {
            "ping": self._ping,
            "catalog": self._list_repositories,
            "manifest": self._manifest,
            "upload": self._upload,
            "blob": self._blob,
            "tags": self._tags,
            "referrers": self._referrers,
        }

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        try:
            response = self._dispatch(request)
        except OciError as error:
            response = _error(error)
        except AwsError as error:
            status, code = _OCI_CODES.get(error.code, (400, "UNSUPPORTED"))
            response = _error(OciError(status, code, error.message))
        response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
        return response(environ, start_response)

    def _dispatch(self, request: Request) -> Response:
        if not self._is_authorized(request):
            return self._challenge(request.host)
        path = request.path.removeprefix("/v2").removeprefix("/")
        for route, pattern in _ROUTES:
            if match := pattern.fullmatch(path):
                return self._routes[route](request, **match.groupdict())
        raise OciError(404, "NAME_INVALID", f"{request.path} is no path of a registry")

    def _is_authorized(self, request: Request) -> bool:
        if self._mint.accepts(request.headers.get("Authorization", "")):
            return True
        signature = request.args.get("signature", "")
        reads = request.method in {"GET", "HEAD"}
        return reads and self._mint.opens_download(request.path, signature)

    def _challenge(self, host: str) -> Response:
        realm = f"https://{host}/" if is_aws_name(host) else f"http://{self._public_host}/"
        challenge = f'Basic realm="{realm}",service="ecr.amazonaws.com"'
        headers = {"WWW-Authenticate": challenge}
        return Response("Not Authorized\n", 401, headers, mimetype="text/plain")

    def _repository(self, request: Request, name: str) -> Repository:
        path = parse_repository_path(name, host=request.host, default_region=self._default_region)
        if path.account_id not in {"", self._catalog.account_id}:
            message = f"The registry with id '{path.account_id}' does not exist"
            raise OciError(404, "NAME_UNKNOWN", message)
        return self._catalog.repository(path.region, path.name)

    def _ping(self, request: Request) -> Response:
        del request
        return Response("{}", mimetype="application/json")

    def _list_repositories(self, request: Request) -> Response:
        """List names as a client would spell them: another region's with its ECR host."""
        account = self._catalog.account_id
        names = sorted(
            repository.name
            if repository.region == self._default_region
            else f"{registry_host(account, repository.region)}/{repository.name}"
            for repository in self._catalog.repositories.values()
        )
        return _page(request, "repositories", names, {})

    def _tags(self, request: Request, name: str) -> Response:
        repository = self._repository(request, name)
        tags = sorted(tag for image in self._catalog.images(repository) for tag in image.tags)
        return _page(request, "tags", tags, {"name": name})

    def _referrers(self, request: Request, name: str, digest: str) -> Response:
        repository = self._repository(request, name)
        wanted = request.args.get("artifactType", "")
        found = [i for i in self._catalog.images(repository) if i.subject == digest]
        described = [_descriptor(self._catalog, image) for image in found]
        kept = [item for item in described if not wanted or item["artifactType"] == wanted]
        body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": kept}
        response = Response(json.dumps(body), mimetype=OCI_INDEX)
        if wanted:
            response.headers["OCI-Filters-Applied"] = "artifactType"
        return response

    def _manifest(self, request: Request, name: str, reference: str) -> Response:
        repository = self._repository(request, name)
        by_digest = DIGEST.fullmatch(reference) is not None
        key = {"digest" if by_digest else "tag": reference}
        if request.method == "PUT":
            return self._put_manifest(request, repository, name, **key)
        image = self._catalog.image(repository, **key)
        if request.method == "DELETE":
            return self._delete_manifest(image, **key)
        _require_method(request, "GET", "HEAD")
        if request.method == "HEAD":
            body = self._catalog.blobs.read(image.digest)
        else:
            body = self._catalog.manifest_for_pull(image)
        headers = {"Docker-Content-Digest": image.digest, "ETag": f'"{image.digest}"'}
        return Response(body, 200, headers, content_type=image.media_type)

    def _put_manifest(
        self,
        request: Request,
        repository: Repository,
        name: str,
        *,
        digest: str = "",
        tag: str = "",
    ) -> Response:
        body = request.stream.read(_MANIFEST_LIMIT_BYTES + 1)
        if len(body) > _MANIFEST_LIMIT_BYTES:
            raise OciError(413, "SIZE_INVALID", "a manifest may have 4 MiB at most")
        push = Push(
            body=body,
            media_type=request.headers.get("Content-Type", ""),
            tag=tag,
            digest=digest,
        )
        image = self._catalog.push(repository, push)
        headers = {
            "Location": f"/v2/{name}/manifests/{image.digest}",
            "Docker-Content-Digest": image.digest,
        }
        if image.subject:
            headers["OCI-Subject"] = image.subject
        return Response(b"", 201, headers)

    def _delete_manifest(self, image: Image, *, digest: str = "", tag: str = "") -> Response:
        """Delete by the protocol's rules. Unverified: ECR's own answer to this method."""
        if digest:
            self._catalog.delete(image)
        else:
            self._catalog.untag(image, tag)
        self._catalog.collect_garbage()
        return Response(b"", 202)

    def _blob(self, request: Request, name: str, digest: str) -> Response:
        _require_method(request, "GET", "HEAD")
        repository = self._repository(request, name)
        if self._catalog.layer(repository, digest) is None:
            raise OciError(404, "BLOB_UNKNOWN", f"blob {digest} is unknown to {name}")
        response = send_file(
            self._catalog.blobs.path(digest),
            request.environ,
            mimetype="application/octet-stream",
            etag=digest,
            conditional=True,
        )
        response.headers["Docker-Content-Digest"] = digest
        return response

    def _upload(self, request: Request, name: str, upload_id: str) -> Response:
        repository = self._repository(request, name)
        try:
            if not upload_id:
                _require_method(request, "POST")
                return self._start_upload(request, repository, name)
            return self._continue_upload(request, repository, name, upload_id)
        except UploadUnknownError as error:
            raise OciError(404, "BLOB_UPLOAD_UNKNOWN", f"no upload {error}") from error
        except DigestMismatchError as error:
            raise OciError(400, "DIGEST_INVALID", str(error)) from error
        except UploadRangeError as error:
            response = _error(OciError(416, "BLOB_UPLOAD_INVALID", str(error)))
            return _with_progress(response, name, upload_id, error.size_bytes)

    def _start_upload(self, request: Request, repository: Repository, name: str) -> Response:
        if (mount := request.args.get("mount", "")) and self._mounted(request, repository, mount):
            return _created(name, mount)
        upload_id = self._catalog.blobs.start_upload()
        if digest := request.args.get("digest", ""):
            return self._finish_upload(request, repository, name, upload_id, digest)
        return _with_progress(Response(b"", 202), name, upload_id, 0)

    def _mounted(self, request: Request, repository: Repository, digest: str) -> bool:
        """Take the blob over from the repository that the client says has it."""
        source = (
            self._repository(request, request.args.get("from", ""))
            if ("from" in request.args)
            else None
        )
        layer = self._catalog.layer(source, digest) if source else None
        if layer is None:
            return False
        self._catalog.link_layer(repository, digest, layer.size_bytes)
        return True

    def _continue_upload(
        self, request: Request, repository: Repository, name: str, upload_id: str
    ) -> Response:
        _require_method(request, "GET", "PATCH", "PUT", "DELETE")
        blobs = self._catalog.blobs
        if request.method == "PUT":
            digest = request.args.get("digest", "")
            return self._finish_upload(request, repository, name, upload_id, digest)
        if request.method == "DELETE":
            blobs.cancel(upload_id)
            return Response(b"", 204)
        if request.method == "GET":
            size = blobs.upload_size(upload_id)
            return _with_progress(Response(b"", 204), name, upload_id, size)
        size = blobs.append(upload_id, request.stream, first_byte=_first_byte(request))
        return _with_progress(Response(b"", 202), name, upload_id, size)

    def _finish_upload(
        self, request: Request, repository: Repository, name: str, upload_id: str, digest: str
    ) -> Response:
        if not DIGEST.fullmatch(digest):
            raise OciError(400, "DIGEST_INVALID", f"{digest!r} is no sha256 digest")
        self._catalog.blobs.append(upload_id, request.stream, first_byte=_first_byte(request))
        size = self._catalog.blobs.finish(upload_id, digest)
        self._catalog.link_layer(repository, digest, size)
        return _created(name, digest)


def _first_byte(request: Request) -> int | None:
    first = request.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else None


def _created(name: str, digest: str) -> Response:
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Response(b"", 201, headers)


def _with_progress(response: Response, name: str, upload_id: str, size: int) -> Response:
    response.headers["Location"] = f"/v2/{name}/blobs/uploads/{upload_id}"
    response.headers["Range"] = f"0-{max(size - 1, 0)}"
    response.headers["Docker-Upload-UUID"] = upload_id
    return response


def _require_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        raise OciError(405, "UNSUPPORTED", f"{request.method} is not supported here")


def _descriptor(catalog: Catalog, image: Image) -> Mapping[str, object]:
    return {
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": catalog.blobs.size(image.digest),
        "artifactType": image.artifact_type or image.artifact_media_type,
    }


def _page(request: Request, key: str, names: Sequence[str], rest: Mapping[str, object]) -> Response:
    """Answer one page of sorted names by the protocol's `n` and `last`."""
    last = request.args.get("last", "")
    after = [name for name in names if not last or name > last]
    size = request.args.get("n", type=int)
    chosen = after if size is None else after[: max(size, 0)]
    response = Response(json.dumps({**rest, key: chosen}), mimetype="application/json")
    if chosen and len(chosen) < len(after):
        response.headers["Link"] = f'<{request.path}?n={size}&last={chosen[-1]}>; rel="next"'
    return response


def _error(error: OciError) -> Response:
    body = {"errors": [{"code": error.code, "message": str(error)}]}
    return Response(json.dumps(body), error.status, mimetype="application/json")
