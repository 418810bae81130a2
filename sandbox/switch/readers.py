"""Which commands are known to change nothing in an account; pure.

Whatever is not known is taken to change something: a script, a shell, a wrapper. So a new
command is asked about rather than let through.
"""

from collections.abc import Sequence
from pathlib import PurePath

_TERRAFORM = {"terraform", "tofu"}
_TERRAFORM_READS = {
    "plan", "validate", "fmt", "output", "show", "version", "providers", "graph", "console",
    "get", "metadata", "modules", "login", "logout",
}  # fmt: skip
_TERRAFORM_PARTS = {"state": {"list", "show", "pull"}, "workspace": {"list", "show", "select"}}
_MOVES_STATE = ("-migrate-state", "-force-copy")

_AWS_VALUES = {
    "--profile", "--region", "--output", "--endpoint-url", "--query", "--color", "--ca-bundle",
    "--cli-read-timeout", "--cli-connect-timeout", "--cli-binary-format",
}  # fmt: skip
"""Global options of the aws cli that take a value. Source: AWS CLI reference, `aws`."""
_AWS_READS = (
    "describe-", "get-", "list-", "batch-get-", "head-", "lookup-", "filter-", "simulate-",
    "validate-", "search-", "estimate-",
)  # fmt: skip
_AWS_READ_PARTS = {("s3", "ls"), ("logs", "tail"), ("dynamodb", "query"), ("dynamodb", "scan")}
_AWS_LOCAL = {"configure", "sso", "help", "history"}
_NEITHER = {"printenv", "echo", "true", "false", "tflint", "checkov", "trivy", "which", "pwd"}


def may_change(command: Sequence[str]) -> bool:
    """Tell whether `command` may change an account, as far as its words say."""
    program, *arguments = command
    name = PurePath(program).name
    if name in _TERRAFORM:
        return _terraform_changes(arguments)
    if name == "aws":
        return _aws_changes(arguments)
    return name not in _NEITHER


def named_profile(command: Sequence[str]) -> str:
    """Return the profile that an aws command names itself; "" where it names none."""
    program, *arguments = command
    if PurePath(program).name != "aws":
        return ""
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == "--profile":
            return following
        if word.startswith("--profile="):
            return word.partition("=")[2]
    return ""


def _terraform_changes(arguments: Sequence[str]) -> bool:
    words = [word for word in arguments if not word.startswith("-")]
    if not words:
        return False
    if words[0] == "init":
        return any(word.lstrip("-").startswith(m.lstrip("-")) for word in arguments
                   for m in _MOVES_STATE)  # fmt: skip
    if words[0] in _TERRAFORM_PARTS:
        return len(words) > 1 and words[1] not in _TERRAFORM_PARTS[words[0]]
    return words[0] not in _TERRAFORM_READS


def _aws_changes(arguments: Sequence[str]) -> bool:
    words: list[str] = []
    skips = False
    for word in arguments:
        if not skips and not word.startswith("-"):
            words.append(word)
        skips = not skips and word in _AWS_VALUES
    if not words or words[0] in _AWS_LOCAL:
        return False
    if len(words) == 1 or words[1] in {"help", "wait"}:
        return False
    return not words[1].startswith(_AWS_READS) and tuple(words[:2]) not in _AWS_READ_PARTS
