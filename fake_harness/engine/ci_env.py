"""The environment variables of a CI step: HARNESS_*, DRONE_* and their CI_* twins.

Source: harness-core BuildEnvironmentUtils; developer hub, "CI environment variables".
"""

from collections.abc import Mapping

from fake_harness.engine.context import NodeScope, codebase_facts, execution_url
from fake_harness.engine.steps.port import StepContext

WORKSPACE = "/harness"
_LONGEST = 8191
_EVENTS = {"PR": "pull_request", "Push": "push", "branch": "push", "tag": "tag"}
_FACTS = {
    "COMMIT": "commitSha",
    "COMMIT_SHA": "commitSha",
    "COMMIT_BEFORE": "baseCommitSha",
    "COMMIT_BRANCH": "branch",
    "COMMIT_REF": "commitRef",
    "COMMIT_MESSAGE": "commitMessage",
    "COMMIT_LINK": "commitLink",
    "COMMIT_AUTHOR": "gitUserId",
    "COMMIT_AUTHOR_NAME": "gitUser",
    "COMMIT_AUTHOR_EMAIL": "gitUserEmail",
    "COMMIT_AUTHOR_AVATAR": "gitUserAvatar",
    "SOURCE_BRANCH": "sourceBranch",
    "TARGET_BRANCH": "targetBranch",
    "BRANCH": "branch",
    "TAG": "tag",
    "PULL_REQUEST": "prNumber",
    "PULL_REQUEST_TITLE": "prTitle",
    "PULL_REQUEST_LINK": "pullRequestLink",
    "REMOTE_URL": "repoUrl",
    "REPO_LINK": "repoUrl",
}


def ci_environment(context: StepContext) -> dict[str, str]:
    """Return what every container of a CI stage finds in its environment."""
    execution, scope = context.execution, context.scope
    stage = scope.stage_row()
    number = str(execution.run_sequence)
    env = {
        "CI": "true",
        "DRONE": "true",
        "HARNESS_ACCOUNT_ID": execution.account,
        "HARNESS_ORG_ID": execution.org,
        "HARNESS_PROJECT_ID": execution.project,
        "HARNESS_PIPELINE_ID": execution.pipeline,
        "HARNESS_STAGE_ID": stage.identifier if stage else "",
        "HARNESS_STEP_ID": context.row.identifier,
        "HARNESS_BUILD_ID": number,
        "HARNESS_EXECUTION_ID": execution.id,
        "HARNESS_WORKSPACE": WORKSPACE,
        "DRONE_WORKSPACE": WORKSPACE,
        "DRONE_STAGE_NAME": stage.name if stage else "",
    }
    twins = {
        "BUILD_NUMBER": number,
        "BUILD_LINK": execution_url(execution, scope.facts.public_url),
        **_codebase(scope),
    }
    for name, value in twins.items():
        env[f"DRONE_{name}"] = env[f"CI_{name}"] = value[:_LONGEST]
    return env | _loops(context)


def _codebase(scope: NodeScope) -> dict[str, str]:
    facts = codebase_facts(scope)
    build = facts.get("build")
    kind = str(build.get("type", "")) if isinstance(build, Mapping) else ""
    found = {
        name: str(facts[key]) for name, key in _FACTS.items() if facts.get(key) not in {None, ""}
    }
    found["BUILD_EVENT"] = _EVENTS.get(kind, "custom")
    if "COMMIT_REF" not in found and "BRANCH" in found:
        found["COMMIT_REF"] = f"refs/heads/{found['BRANCH']}"
    repository = str(facts.get("repoUrl") or "").rstrip("/").removesuffix(".git")
    if repository:
        owner, _, name = repository.rpartition("/")
        found |= {"REPO_NAME": name, "REPO": f"{owner.rpartition('/')[2]}/{name}"}
    return found


def _loops(context: StepContext) -> dict[str, str]:
    """Return `HARNESS_{STAGE,STEP,NODE}_{INDEX,TOTAL}` of the loops around the step."""
    found: dict[str, str] = {}
    for row in (*reversed(list(context.scope.above())), context.row):
        if row.strategy is None:
            continue
        for level in (row.kind.value, "NODE"):
            found[f"HARNESS_{level}_INDEX"] = str(row.strategy["iteration"])
            found[f"HARNESS_{level}_TOTAL"] = str(row.strategy["iterations"])
    return found
