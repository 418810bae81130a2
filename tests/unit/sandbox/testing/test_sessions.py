from pathlib import Path

import pytest

from sandbox.testing.sessions import LocalSession
from sandbox.testing.settings import TEST_KEY

URL = "http://127.0.0.1:1"


def test_a_session_reads_nothing_of_the_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[profile prod]\nregion = eu-west-1\ns3 = {broken\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "prod")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://elsewhere")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "REAL")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    client = LocalSession(URL).client("s3")
    assert client.meta.endpoint_url == URL
    assert client.meta.region_name == "us-east-1"
    assert client._request_signer._credentials.access_key == TEST_KEY
    assert client.meta.config.proxies == {}


def test_a_client_may_be_sent_elsewhere_by_name() -> None:
    client = LocalSession(URL).client("sqs", endpoint_url="http://127.0.0.1:2")
    assert client.meta.endpoint_url == "http://127.0.0.1:2"
