"""Who one is: in AWS as STS says it, in Harness as its API does; nothing is changed."""

from sandbox.errors import EnvironmentNotReadyError, SandboxError, UsageError
from sandbox.harness_client import HarnessClient
from sandbox.switch.guard import Account

_NO_KEYS = (
    "Log in as you do for the aws cli (`aws sso login`, AWS_PROFILE, AWS_ACCESS_KEY_ID ...); "
    "`sandbox use aws --profile NAME` remembers a profile."
)


def aws_account(profile: str = "", region: str = "") -> Account:
    """Ask STS who calls, with the credentials that the AWS tools of this process find.

    Raises:
        UsageError: there are no credentials, or the profile does not exist.
        EnvironmentNotReadyError: STS does not answer.
        SandboxError: STS refused the credentials.
    """
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        ProfileNotFound,
    )

    try:
        session = botocore.session.Session(profile=profile or None)
        config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
        where = region or session.get_config_variable("region")
        sts = session.create_client("sts", region_name=where or "us-east-1", config=config)
        answer = sts.get_caller_identity()
    except (NoCredentialsError, ProfileNotFound) as error:
        raise UsageError(f"Who would call AWS is not known: {error}.", hint=_NO_KEYS) from error
    except ClientError as error:
        raise SandboxError(f"AWS refused these credentials: {error}.", hint=_NO_KEYS) from error
    except BotoCoreError as error:
        raise EnvironmentNotReadyError(f"STS cannot be asked who calls: {error}.") from error
    shown = f"{answer['Arn']}, {where or 'no region'}"
    return Account(vendor="AWS", id=answer["Account"], detail=shown)


def harness_account(client: HarnessClient) -> Account:
    """Return the Harness account of a client."""
    return Account(vendor="Harness", id=client.account_id, detail=client.endpoint)
