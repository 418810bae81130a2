"""ECR's API as boto3 sees it."""

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from ecr_server import ACCOUNT, EcrServer, serve

# NotImplemented is no error of ECR's model, and moto's serializer says so as a warning.
pytestmark = pytest.mark.filterwarnings("ignore:Exception.*NotImplemented:UserWarning")
KEEP_ONE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": "keep one",
                "selection": {
                    "tagStatus": "any",
                    "countType": "imageCountMoreThan",
                    "countNumber": 1,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EcrServer]:
    made = serve(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def ecr(server: EcrServer) -> Any:
    return server.client()


def push_image(ecr: Any, repository: str, tag: str, content: bytes = b"layer") -> str:
    """Push a one-layer image through the API alone; return its digest."""
    digests = {}
    for name, body in {"config": b"{}" + tag.encode(), "layer": content}.items():
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        digests[name] = (digest, len(body))
        known = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest])
        if known["layers"][0]["layerAvailability"] == "AVAILABLE":
            continue
        upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
        ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload,
            partFirstByte=0,
            partLastByte=len(body) - 1,
            layerPartBlob=body,
        )
        ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digests["config"][0],
            "size": digests["config"][1],
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": digests["layer"][0],
                "size": digests["layer"][1],
            }
        ],
    }
    answer = ecr.put_image(
        repositoryName=repository, imageTag=tag, imageManifest=json.dumps(manifest)
    )
    return str(answer["image"]["imageId"]["imageDigest"])


def refusal(call: Any, **kwargs: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**kwargs)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_repository_answers_what_was_asked_for(server: EcrServer, ecr: Any) -> None:
    made = ecr.create_repository(
        repositoryName="workshop/backend",
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration={"encryptionType": "KMS"},
        tags=[{"Key": "team", "Value": "a"}],
    )["repository"]
    assert made["repositoryArn"] == f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/workshop/backend"
    assert made["repositoryUri"] == f"{server.image_host()}/workshop/backend"
    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert made["encryptionConfiguration"]["encryptionType"] == "KMS"
    assert made["encryptionConfiguration"]["kmsKey"].startswith("arn:aws:kms:us-east-1:")
    described = ecr.describe_repositories(repositoryNames=["workshop/backend"])
    assert described["repositories"] == [made]
    tags = ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
    assert tags == [{"Key": "team", "Value": "a"}]


def test_same_name_in_two_regions_is_two_repositories(server: EcrServer) -> None:
    here, there = server.client(), server.client("eu-west-1")
    here.create_repository(repositoryName="app")
    assert there.describe_repositories()["repositories"] == []
    uri = there.create_repository(repositoryName="app")["repository"]["repositoryUri"]
    assert "dkr.ecr.eu-west-1.amazonaws.com/app" in uri
    push_image(there, "app", "1")
    assert here.list_images(repositoryName="app")["imageIds"] == []


@pytest.mark.parametrize(
    ("call", "kwargs", "code", "words"),
    [
        ("create_repository", {"repositoryName": "app"}, "RepositoryAlreadyExistsException", "app"),
        ("create_repository", {"repositoryName": "UPPER"}, "InvalidParameterException", "regular"),
        (
            "describe_repositories",
            {"repositoryNames": ["nope"]},
            "RepositoryNotFoundException",
            f"'nope' does not exist in the registry with id '{ACCOUNT}'",
        ),
        ("get_lifecycle_policy", {"repositoryName": "app"}, "LifecyclePolicyNotFoundException", ""),
        (
            "get_repository_policy",
            {"repositoryName": "app"},
            "RepositoryPolicyNotFoundException",
            "",
        ),
        (
            "describe_images",
            {"repositoryName": "app", "imageIds": [{"imageTag": "v9"}]},
            "ImageNotFoundException",
            "{imageDigest:'null', imageTag:'v9'}",
        ),
        (
            "put_image",
            {"repositoryName": "app", "imageManifest": "{"},
            "InvalidParameterException",
            "not JSON",
        ),
        (
            "put_lifecycle_policy",
            {"repositoryName": "app", "lifecyclePolicyText": '{"rules": []}' + " " * 100},
            "InvalidParameterException",
            "Lifecycle policy validation failure",
        ),
        (
            "start_image_scan",
            {"repositoryName": "app", "imageId": {"imageTag": "v1"}},
            "NotImplemented",
            "ecr.StartImageScan",
        ),
    ],
    ids=[
        "name-taken",
        "bad-name",
        "no-repository",
        "no-lifecycle-policy",
        "no-policy",
        "no-image",
        "bad-manifest",
        "bad-lifecycle-policy",
        "not-built",
    ],
)
def test_refusals_carry_aws_codes(
    ecr: Any, call: str, kwargs: dict[str, Any], code: str, words: str
) -> None:
    ecr.create_repository(repositoryName="app")
    actual_code, message = refusal(getattr(ecr, call), **kwargs)
    assert actual_code == code
    assert words in message


def test_only_an_empty_repository_goes_without_force(ecr: Any) -> None:
    ecr.create_repository(repositoryName="app")
    push_image(ecr, "app", "1")
    code, message = refusal(ecr.delete_repository, repositoryName="app")
    assert code == "RepositoryNotEmptyException"
    assert "still contains images" in message
    ecr.delete_repository(repositoryName="app", force=True)
    assert ecr.describe_repositories()["repositories"] == []
    ecr.create_repository(repositoryName="app")
    assert ecr.list_images(repositoryName="app")["imageIds"] == []


def test_described_size_is_layers_and_config(ecr: Any) -> None:
    ecr.create_repository(repositoryName="app")
    digest = push_image(ecr, "app", "v1", b"x" * 1000)
    (detail,) = ecr.describe_images(repositoryName="app")["imageDetails"]
    assert detail["imageSizeInBytes"] == 1000 + len(b"{}v1")
    assert (detail["imageDigest"], detail["imageTags"]) == (digest, ["v1"])
    assert detail["artifactMediaType"] == "application/vnd.oci.image.config.v1+json"


def test_tag_moves_unless_immutable(ecr: Any) -> None:
    ecr.create_repository(repositoryName="app")
    first = push_image(ecr, "app", "v1", b"one")
    second = push_image(ecr, "app", "v1", b"two")
    tagged = ecr.list_images(repositoryName="app", filter={"tagStatus": "TAGGED"})["imageIds"]
    untagged = ecr.list_images(repositoryName="app", filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert tagged == [{"imageDigest": second, "imageTag": "v1"}]
    assert untagged == [{"imageDigest": first}]
    ecr.put_image_tag_mutability(repositoryName="app", imageTagMutability="IMMUTABLE")
    code, message = refusal(push_image, ecr=ecr, repository="app", tag="v1", content=b"three")
    assert code == "ImageTagAlreadyExistsException"
    assert message == (
        "The image tag 'v1' already exists in the 'app' repository "
        "and cannot be overwritten because the tag is immutable."
    )


def test_excluded_tags_stay_mutable(ecr: Any) -> None:
    ecr.create_repository(
        repositoryName="app",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "dev-*"}],
    )
    push_image(ecr, "app", "dev-1", b"one")
    push_image(ecr, "app", "dev-1", b"two")
    push_image(ecr, "app", "v1", b"one")
    code, _ = refusal(push_image, ecr=ecr, repository="app", tag="v1", content=b"two")
    assert code == "ImageTagAlreadyExistsException"


def test_same_image_again_is_refused_by_the_api(ecr: Any) -> None:
    ecr.create_repository(repositoryName="app")
    push_image(ecr, "app", "v1")
    code, _ = refusal(push_image, ecr=ecr, repository="app", tag="v1")
    assert code == "ImageAlreadyExistsException"


def test_last_tag_takes_its_image_along(ecr: Any) -> None:
    ecr.create_repository(repositoryName="app")
    digest = push_image(ecr, "app", "v1")
    image = ecr.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])["images"][0]
    ecr.put_image(repositoryName="app", imageTag="v2", imageManifest=image["imageManifest"])
    answer = ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
    assert answer["imageIds"] == [{"imageDigest": digest, "imageTag": "v1"}]
    assert ecr.describe_images(repositoryName="app")["imageDetails"][0]["imageTags"] == ["v2"]
    ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v2"}])
    assert ecr.describe_images(repositoryName="app")["imageDetails"] == []


def test_batch_answers_name_each_failure(ecr: Any) -> None:
    ecr.create_repository(repositoryName="app")
    push_image(ecr, "app", "v1")
    other = f"sha256:{'0' * 64}"
    ids = [{"imageTag": "no"}, {"imageDigest": "short"}, {"imageDigest": other}]
    got = ecr.batch_get_image(repositoryName="app", imageIds=ids)
    assert [f["failureCode"] for f in got["failures"]] == [
        "ImageNotFound",
        "InvalidImageDigest",
        "ImageNotFound",
    ]
    assert got["images"] == []


def test_no_image_is_said_to_be_scanned(ecr: Any) -> None:
    ecr.create_repository(repositoryName="app", imageScanningConfiguration={"scanOnPush": True})
    push_image(ecr, "app", "v1")
    code, _ = refusal(
        ecr.describe_image_scan_findings, repositoryName="app", imageId={"imageTag": "v1"}
    )
    assert code == "ScanNotFoundException"
    assert "imageScanStatus" not in ecr.describe_images(repositoryName="app")["imageDetails"][0]


def test_lifecycle_policy_expires_at_the_push_that_makes_it_due(ecr: Any) -> None:
    ecr.create_repository(repositoryName="app")
    ecr.put_lifecycle_policy(repositoryName="app", lifecyclePolicyText=KEEP_ONE)
    push_image(ecr, "app", "v1", b"one")
    push_image(ecr, "app", "v2", b"two")
    tags = [i["imageTag"] for i in ecr.list_images(repositoryName="app")["imageIds"]]
    assert tags == ["v2"]
    assert ecr.get_lifecycle_policy(repositoryName="app")["lifecyclePolicyText"] == KEEP_ONE


def test_lifecycle_preview_expires_nothing(ecr: Any) -> None:
    ecr.create_repository(repositoryName="app")
    first = push_image(ecr, "app", "v1", b"one")
    push_image(ecr, "app", "v2", b"two")
    code, _ = refusal(ecr.get_lifecycle_policy_preview, repositoryName="app")
    assert code == "LifecyclePolicyPreviewNotFoundException"
    ecr.start_lifecycle_policy_preview(repositoryName="app", lifecyclePolicyText=KEEP_ONE)
    ecr.get_waiter("lifecycle_policy_preview_complete").wait(repositoryName="app")
    preview = ecr.get_lifecycle_policy_preview(repositoryName="app")
    assert [r["imageDigest"] for r in preview["previewResults"]] == [first]
    assert preview["summary"]["expiringImageTotalCount"] == 1
    assert len(ecr.list_images(repositoryName="app")["imageIds"]) == 2


def test_pages_cover_everything_once(ecr: Any) -> None:
    names = [f"app{i}" for i in range(7)]
    for name in names:
        ecr.create_repository(repositoryName=name)
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 3})
    assert [r["repositoryName"] for p in pages for r in p["repositories"]] == names


def test_download_url_opens_one_layer_without_credentials(ecr: Any) -> None:
    ecr.create_repository(repositoryName="app")
    push_image(ecr, "app", "v1", b"content")
    digest = f"sha256:{hashlib.sha256(b'content').hexdigest()}"
    url = ecr.get_download_url_for_layer(repositoryName="app", layerDigest=digest)["downloadUrl"]
    assert requests.get(url, timeout=30).content == b"content"
    other = url.replace(digest, f"sha256:{'0' * 64}")
    assert requests.get(other, timeout=30).status_code == 401


def test_token_opens_the_registry_for_twelve_hours(tmp_path: Path) -> None:
    clock = [datetime(2026, 11, 1, tzinfo=UTC)]
    server = serve(tmp_path, now=lambda: clock[0])
    try:
        (data,) = server.client().get_authorization_token()["authorizationData"]
        assert data["proxyEndpoint"] == server.url
        assert data["expiresAt"] == clock[0] + timedelta(hours=12)
        assert base64.b64decode(data["authorizationToken"]).startswith(b"AWS:")
        headers = {"Authorization": f"Basic {data['authorizationToken']}"}
        ping = f"{server.url}/v2/"
        assert requests.get(ping, headers=headers, timeout=30).status_code == 200
        clock[0] += timedelta(hours=12, seconds=1)
        assert requests.get(ping, headers=headers, timeout=30).status_code == 401
    finally:
        server.stop()


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    first = serve(tmp_path)
    ecr = first.client()
    ecr.create_repository(repositoryName="app")
    digest = push_image(ecr, "app", "v1", b"kept")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    first.stop()
    second = serve(tmp_path)
    try:
        again = second.client()
        assert (
            again.describe_images(repositoryName="app")["imageDetails"][0]["imageDigest"] == digest
        )
        url = f"{second.url}/v2/app/manifests/v1"
        answer = requests.get(url, headers={"Authorization": f"Basic {token}"}, timeout=30)
        assert answer.headers["Docker-Content-Digest"] == digest
    finally:
        second.stop()


def test_policies_and_settings_round_trip(ecr: Any) -> None:
    arn = ecr.create_repository(repositoryName="app")["repository"]["repositoryArn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    ecr.set_repository_policy(repositoryName="app", policyText=policy)
    assert ecr.get_repository_policy(repositoryName="app")["policyText"] == policy
    ecr.delete_repository_policy(repositoryName="app")
    ecr.put_registry_policy(policyText=policy)
    assert ecr.get_registry_policy()["policyText"] == policy
    ecr.put_registry_scanning_configuration(scanType="BASIC", rules=[])
    scanning = ecr.get_registry_scanning_configuration()["scanningConfiguration"]
    assert scanning == {"scanType": "BASIC", "rules": []}
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "1"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == []
