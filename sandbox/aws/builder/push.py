"""Pushes an image to an OCI registry over HTTP; it builds nothing.

Source: OCI distribution-spec 1.1, "Push".
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin

import requests
from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws.builder.errors import BuildFailedError
from sandbox.aws.builder.oci import MANIFEST_TYPE, BuiltImage, digest_of

_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """AWS credentials that a plugin step was given; empty fields leave boto3's own chain."""

    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    assume_role: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EcrLogin:
    """What ECR's GetAuthorizationToken answers, as `docker login` takes it."""

    user: str
    password: str = field(repr=False)
    endpoint: str
    """The registry's URL."""


class Registry:
    """One repository of an ECR registry, as a pusher sees it.

    Args:
        host: `<account>.dkr.ecr.<region>.amazonaws.com`.
        repository: the repository's name.
        endpoint: the local AWS endpoint; empty for AWS itself.
        credentials: whose token is asked for.

    """

    def __init__(
        self, host: str, repository: str, *, endpoint: str, credentials: Credentials
    ) -> None:
        self._name = f"{host}/{repository}" if endpoint else repository
        self._base = endpoint.rstrip("/") if endpoint else f"https://{host}"
        self._label = f"{host}/{repository}"
        self._session = requests.Session()
        login = ecr_login(host, credentials)
        self._session.auth = (login.user, login.password)

    def push(self, image: BuiltImage, tags: Sequence[str], say: Callable[[str], None]) -> None:
        """Push content that is missing, then the manifest under every tag.

        Raises:
            BuildFailedError: the registry refused; carries its words.

        """
        try:
            for layer in image.layers:
                if self._has(layer.digest):
                    say(f"layer {layer.digest[7:19]} is there already")
                    continue
                self._upload(layer.digest, layer.path.read_bytes())
                say(f"layer {layer.digest[7:19]} pushed ({layer.size_bytes / 1e6:.1f} MB)")
            config_digest = digest_of(image.config)
            if not self._has(config_digest):
                self._upload(config_digest, image.config)
            for tag in tags:
                self._put_manifest(image, tag)
                say(f"{self._label}:{tag} {image.digest}")
        except requests.RequestException as error:
            raise BuildFailedError(
                f"the registry at {self._base} does not answer: {error}",
                hint="Is the sandbox up? `sandbox status` tells.",
            ) from error

    def _has(self, digest: str) -> bool:
        url = f"{self._base}/v2/{self._name}/blobs/{digest}"
        return self._session.head(url, timeout=_TIMEOUT_S).status_code == 200

    def _upload(self, digest: str, body: bytes) -> None:
        start = self._session.post(
            f"{self._base}/v2/{self._name}/blobs/uploads/", timeout=_TIMEOUT_S
        )
        self._require(start, 202)
        where = urljoin(self._base, start.headers["Location"])
        done = self._session.put(
            where,
            params={"digest": digest},
            data=body,
            headers={"Content-Type": "application/octet-stream"},
            timeout=_TIMEOUT_S,
        )
        self._require(done, 201)

    def _put_manifest(self, image: BuiltImage, tag: str) -> None:
        answer = self._session.put(
            f"{self._base}/v2/{self._name}/manifests/{tag}",
            data=image.manifest,
            headers={"Content-Type": MANIFEST_TYPE},
            timeout=_TIMEOUT_S,
        )
        self._require(answer, 201)

    def _require(self, answer: requests.Response, status: int) -> None:
        if answer.status_code == status:
            return
        try:
            errors = answer.json()["errors"]
            reason = "; ".join(f"{error['code']}: {error['message']}" for error in errors)
        except (ValueError, KeyError, TypeError):
            reason = answer.text.strip()[:500]
        raise BuildFailedError(
            f"push to {self._label} was refused ({answer.status_code}): {reason}"
        )


def ecr_login(host: str, credentials: Credentials) -> EcrLogin:
    """Ask ECR for an authorization token.

    Args:
        host: `<account>.dkr.ecr.<region>.amazonaws.com`.
        credentials: whose token it will be.

    Raises:
        BuildFailedError: ECR gave none; carries its words.

    """
    region = host.split(".")[3] if host.count(".") >= 4 else ""
    try:
        session = Session(
            aws_access_key_id=credentials.access_key or None,
            aws_secret_access_key=credentials.secret_key or None,
            aws_session_token=credentials.session_token or None,
            region_name=region or None,
        )
        if credentials.assume_role:
            session = _assumed(session, credentials, region)
        answer = session.client("ecr").get_authorization_token()
    except (BotoCoreError, ClientError) as error:
        raise BuildFailedError(f"ECR gave no authorization token: {error}") from error
    given = answer["authorizationData"][0]
    user, _, password = base64.b64decode(given["authorizationToken"]).decode().partition(":")
    return EcrLogin(user=user, password=password, endpoint=str(given["proxyEndpoint"]))


def _assumed(session: Session, credentials: Credentials, region: str) -> Session:
    extra = {"ExternalId": credentials.external_id} if credentials.external_id else {}
    assumed = session.client("sts").assume_role(
        RoleArn=credentials.assume_role, RoleSessionName="image-build", **extra
    )["Credentials"]
    return Session(
        aws_access_key_id=assumed["AccessKeyId"],
        aws_secret_access_key=assumed["SecretAccessKey"],
        aws_session_token=assumed["SessionToken"],
        region_name=region or None,
    )
