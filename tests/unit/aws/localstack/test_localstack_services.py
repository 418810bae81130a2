"""Which services a LocalStack may answer for, by botocore's own models."""

import botocore.session
import pytest

from sandbox.aws.localstack.services import BY_SIGNING_NAME, STAYS, localstack_name


@pytest.mark.parametrize(("signing_name", "service"), BY_SIGNING_NAME.items())
def test_signing_name_is_what_botocore_signs_with(signing_name: str, service: str) -> None:
    model = botocore.session.Session().get_service_model(service)
    assert model.signing_name == signing_name


@pytest.mark.parametrize(
    ("signed_for", "name"),
    [("s3", "s3"), ("", "s3"), ("execute-api", "apigateway"), ("monitoring", "cloudwatch")],
)
def test_service_is_known_by_localstacks_name(signed_for: str, name: str) -> None:
    assert localstack_name(signed_for) == name


def test_each_service_that_stays_exists_and_has_a_reason() -> None:
    assert set(STAYS) <= set(botocore.session.Session().get_available_services())
    assert all(STAYS.values())
