"""The switch: `local` points every tool here, `aws` takes only that away."""

import os
from pathlib import Path

import botocore.session
import pytest

from sandbox.environments import REDIRECTIONS, Target, switch
from sandbox.settings import Settings

SETTINGS = Settings(home=Path("/state"), aws_port=4566, harness_port=7457, proxy_port=4567)
OWN = {
    "AWS_PROFILE": "work",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_SESSION_TOKEN": "token",
    "AWS_CA_BUNDLE": "/etc/ca.pem",
    "HARNESS_ENDPOINT": "https://app.harness.io/gateway",
    "HARNESS_PLATFORM_API_KEY": "pat.real",
    "HTTPS_PROXY": "http://proxy.example.com:3128",
    "TF_CLI_CONFIG_FILE": "/home/me/.terraformrc",
    "PATH": "/usr/bin",
}


def test_local_points_every_tool_here_and_hides_real_accounts() -> None:
    seen = switch(Target.LOCAL, SETTINGS).apply(OWN)
    assert seen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert seen["HARNESS_ENDPOINT"] == "http://127.0.0.1:7457/gateway"
    assert seen["https_proxy"] == seen["HTTPS_PROXY"] == "http://127.0.0.1:4567"
    assert seen["SSL_CERT_FILE"] == "/state/ca/bundle.pem"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"} & set(seen)
    assert not {"AKIAREAL", "real", "token", "pat.real"} & set(seen.values())
    assert seen["PATH"] == "/usr/bin"


def test_local_names_the_terraform_configuration_only_where_there_is_one() -> None:
    assert "TF_CLI_CONFIG_FILE" not in switch(Target.LOCAL, SETTINGS).set
    config = Path("/state/terraform.tfrc")
    variables = switch(Target.LOCAL, SETTINGS, terraform_config=config).set
    assert variables["TF_CLI_CONFIG_FILE"] == str(config)


def test_every_redirection_is_either_set_or_unset() -> None:
    local = switch(Target.LOCAL, SETTINGS)
    assert set(REDIRECTIONS) <= set(local.set) | set(local.unset)


def test_aws_leaves_a_persons_own_values_alone() -> None:
    assert switch(Target.AWS, SETTINGS, current=OWN).apply(OWN) == OWN


def test_aws_after_local_never_points_here() -> None:
    config = Path("/state/terraform.tfrc")
    shell = switch(Target.LOCAL, SETTINGS, terraform_config=config).apply({"PATH": "/usr/bin"})
    chosen = switch(Target.AWS, SETTINGS, current=shell)
    assert chosen.set == {}
    assert chosen.apply(shell) == {"PATH": "/usr/bin"}


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "HARNESS_ENDPOINT"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_aws_takes_an_endpoint_of_another_port_away_too(name: str, host: str) -> None:
    assert name in switch(Target.AWS, SETTINGS, current={name: f"http://{host}:9999"}).unset


def test_aws_keeps_a_region_that_only_happens_to_be_ours() -> None:
    shell = {"AWS_REGION": SETTINGS.region, "AWS_PROFILE": "work"}
    assert switch(Target.AWS, SETTINGS, current=shell).unset == ()


LEAKS = {
    "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_DEFAULT_PROFILE": "work",
}


@pytest.mark.parametrize("target", [Target.LOCAL, Target.LOCALSTACK])
@pytest.mark.parametrize("name", LEAKS)
def test_nothing_stronger_than_the_endpoint_leads_past_the_sandbox(
    target: Target, name: str
) -> None:
    current = {name: LEAKS[name]}
    seen = switch(target, SETTINGS, current=current).apply(current)
    assert seen.get(name, "false") == "false"


def test_a_profile_that_ignores_endpoints_does_not_lead_past_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nignore_configured_endpoint_urls = true\n")
    environment = switch(Target.LOCAL, SETTINGS, current=os.environ).apply(os.environ)
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in {**environment, "AWS_CONFIG_FILE": str(config)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SSL_CERT_FILE")
    client = botocore.session.get_session().create_client("sts")
    assert client.meta.endpoint_url == SETTINGS.aws_url


@pytest.mark.parametrize("name", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_what_terraforms_s3_backend_misreads_is_unset_and_never_set(name: str) -> None:
    """Its backend takes any value, "false" too, for a yes, and refuses our endpoint then."""
    local = switch(Target.LOCAL, SETTINGS)
    assert name not in local.set
    assert name in local.unset


def test_localstack_differs_from_local_by_no_variable() -> None:
    assert switch(Target.LOCALSTACK, SETTINGS) == switch(Target.LOCAL, SETTINGS)


def test_aws_takes_only_service_endpoints_of_this_machine_away() -> None:
    current = {
        "AWS_ENDPOINT_URL_S3": "http://localhost:4566",
        "AWS_ENDPOINT_URL_STS": "https://sts.eu-west-1.amazonaws.com",
    }
    assert switch(Target.AWS, SETTINGS, current=current).unset == ("AWS_ENDPOINT_URL_S3",)


def test_aws_drops_the_sandboxs_keys_even_without_its_endpoint() -> None:
    shell = {"AWS_ACCESS_KEY_ID": "LOCALSANDBOXKEY00000", "AWS_REGION": SETTINGS.region}
    assert switch(Target.AWS, SETTINGS, current=shell).apply(shell) == {"AWS_REGION": "us-east-1"}


def test_named_profile_is_not_beaten_by_keys_in_the_shell() -> None:
    chosen = switch(Target.AWS, SETTINGS, current=OWN, profile="prod", region="eu-north-1")
    seen = chosen.apply(OWN)
    assert (seen["AWS_PROFILE"], seen["AWS_REGION"]) == ("prod", "eu-north-1")
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & set(seen)
    assert seen["AWS_CA_BUNDLE"] == "/etc/ca.pem"


def test_localstack_alone_is_named_without_our_proxy_and_our_trust() -> None:
    alone = SETTINGS.model_copy(
        update={"aws": "localstack-only", "localstack_url": "http://127.0.0.1:4999"}
    )
    seen = switch(Target.LOCAL, alone).set
    assert seen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4999"
    assert not {"HTTP_PROXY", "HTTPS_PROXY", "SSL_CERT_FILE"} & set(seen)
    assert "127.0.0.1" in seen["NO_PROXY"]
