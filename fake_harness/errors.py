"""The errors of the Harness API; they become its error envelope at the edge."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaProblem:
    """One fault of a YAML document, with where it stands."""

    message: str
    yaml_path: str
    """`pipeline.stages[0].stage.spec.execution.steps[1].step.type`"""
    fqn: str = ""
    line: int | None = None
    severity: str = "ERROR"
    """ERROR | WARNING"""
    source: str = "semantic"
    """`schema` where Harness itself refuses on save, `semantic` where only a run would."""
    hint: str = ""


class HarnessError(Exception):
    """An answer of the Harness API other than success.

    `code` is Harness's own (`INVALID_REQUEST`, `ENTITY_NOT_FOUND`, `DUPLICATE_FIELD`).
    """

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class YamlInvalidError(HarnessError):
    """A document that was refused; carries every problem found, not the first only."""

    def __init__(self, problems: tuple[SchemaProblem, ...]) -> None:
        text = "Invalid yaml: " + "; ".join(f"{p.yaml_path}: {p.message}" for p in problems)
        super().__init__("INVALID_REQUEST", text)
        self.problems = problems


def not_found(what: str, identifier: str) -> HarnessError:
    """Build the not-found answer that Harness's Terraform provider understands.

    Source: terraform-provider-harness clears state on ENTITY_NOT_FOUND only.
    """
    message = f"{what} with identifier [{identifier}] not found"
    return HarnessError("ENTITY_NOT_FOUND", message, status=404)
