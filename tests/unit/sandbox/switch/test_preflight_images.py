"""The preflight on base images: their names as docker reads them, asked from their registries."""

import pytest
import requests
from preflight_needs import needs
from requests.adapters import BaseAdapter

from sandbox.switch.preflight import images
from sandbox.switch.preflight.line import Verdict


@pytest.mark.parametrize(
    ("image", "place"),
    [
        ("python:3.11-slim", ("registry-1.docker.io", "library/python", "3.11-slim")),
        ("bitnami/redis", ("registry-1.docker.io", "bitnami/redis", "latest")),
        ("docker.io/library/node:18", ("registry-1.docker.io", "library/node", "18")),
        ("public.ecr.aws/nginx/nginx:1", ("public.ecr.aws", "nginx/nginx", "1")),
        ("localhost:5000/a/b@sha256:ff", ("localhost:5000", "a/b", "sha256:ff")),
    ],
)
def test_image_names_are_read_as_docker_reads_them(image: str, place: tuple[str, ...]) -> None:
    assert images.place_of(image) == place


class RegistryDouble(BaseAdapter):
    """A registry that wants a token, as Docker Hub does, and has one image."""

    has = "/v2/library/python/manifests/3.11-slim"

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        answer = requests.Response()
        answer.request = request
        answer.url = str(request.url)
        if request.path_url.startswith("/token"):
            answer.status_code = 200
            answer._content = b'{"token": "t"}'
        elif request.headers.get("Authorization") == "Bearer t":
            answer.status_code = 200 if request.path_url == self.has else 404
        else:
            answer.status_code = 401
            challenge = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"'
            answer.headers["WWW-Authenticate"] = challenge
        return answer

    def close(self) -> None:
        pass


class Unplugged(RegistryDouble):
    """No network."""

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        raise requests.ConnectionError(request=request)


@pytest.mark.parametrize(
    ("image", "registry", "verdict"),
    [
        ("python:3.11-slim", RegistryDouble(), Verdict.OK),
        ("python:3.99-slim", RegistryDouble(), Verdict.BLOCKED),
        ("python:3.11-slim", Unplugged(), Verdict.WARNING),
        ("${BASE}", RegistryDouble(), Verdict.WARNING),
    ],
    ids=["there", "not there", "not reachable", "unknown name"],
)
def test_base_image_is_asked_from_its_registry(
    image: str, registry: BaseAdapter, verdict: Verdict
) -> None:
    session = requests.Session()
    session.mount("https://", registry)
    (line,) = images.check_images(session, needs(base_images={image: ("Dockerfile",)}))
    assert line.verdict is verdict
