"""Which account a request is for, in LocalStack's eyes."""

import pytest

from sandbox.aws.localstack.credentials import PRESIGNED, credited


@pytest.mark.parametrize(
    ("key", "account", "named"),
    [
        ("LOCALSANDBOXKEY00000", "111122223333", "111122223333"),
        ("test", "000000000000", "000000000000"),
        ("LSIAQAAAAAAAGMKEM7X5", "111122223333", "LSIAQAAAAAAAGMKEM7X5"),
        ("AKIARZPUZDIKGB2VALC4", "123456789012", "AKIARZPUZDIKGB2VALC4"),
        ("ASIAQAAAAAAAGMKEM7X5", "000000000000", "ASIAQAAAAAAAGMKEM7X5"),
        ("AKIARZPUZDIKGB2VALC4", "111122223333", "111122223333"),
        ("ASIA7777777777777777", "111122223333", "111122223333"),
    ],
    ids=["sandbox", "any", "issued", "parity", "parity-zero", "real", "task"],
)
def test_account_is_named_but_for_keys_that_carry_it(key: str, account: str, named: str) -> None:
    header = f"AWS4-HMAC-SHA256 Credential={key}/20261123/us-east-1/s3/aws4_request, Signature=x"
    assert credited(header, account) == header.replace(key, named)


def test_presigned_url_is_changed_in_its_query_only() -> None:
    target = "/bucket/Credential=a?X-Amz-Expires=1&X-Amz-Credential=test%2F20261123%2Fs3"
    changed = credited(target, "111122223333", where=PRESIGNED)
    assert changed == target.replace("=test", "=111122223333")
