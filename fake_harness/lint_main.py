"""Lints pipeline files with no service running: `python -m fake_harness.lint_main FILE...`.

Templates are looked up among the files given and in the folders of `--templates`.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from fake_harness.errors import SchemaProblem, YamlInvalidError
from fake_harness.pipeline.lint import lint_pipeline
from fake_harness.pipeline.templates import TemplateLookup, TemplateRef, expand_templates
from fake_harness.pipeline.yaml_source import load_yaml


def main() -> None:
    """Print the problems of every file; exit 1 when one is an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--templates", action="append", default=[], type=Path, help="folder of template files"
    )
    arguments = parser.parse_args()
    lookup = template_files(arguments.files, arguments.templates)
    found = {path: problems_of(path, lookup) for path in arguments.files}
    if arguments.json:
        rows = [
            {"file": str(path), **asdict(p)} for path, problems in found.items() for p in problems
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        for path, problems in found.items():
            _print(path, problems)
    sys.exit(any(p.severity == "ERROR" for rows in found.values() for p in rows))


def template_files(files: Iterable[Path], folders: Iterable[Path]) -> TemplateLookup:
    """Return a lookup of the templates among `files` and below `folders`.

    The scope prefix of a reference is ignored; without a version the only one is meant.
    """
    paths = [*files, *(path for folder in folders for path in sorted(folder.rglob("*.yaml")))]
    known: dict[str, dict[str, str]] = {}
    for path in paths:
        text = _text_of(path)
        head = _template_of(text)
        if head is not None:
            versions = known.setdefault(str(head.get("identifier")), {})
            versions[str(head.get("versionLabel", ""))] = text

    def lookup(reference: TemplateRef) -> str | None:
        versions = known.get(reference.ref.rpartition(".")[2], {})
        if reference.version:
            return versions.get(reference.version)
        return next(iter(versions.values())) if len(versions) == 1 else None

    return lookup


def problems_of(path: Path, lookup: TemplateLookup = lambda _: None) -> list[SchemaProblem]:
    """Return every problem of one file; a template file itself is only read."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        return [SchemaProblem(message=f"cannot be read: {reason}", yaml_path=str(path))]
    try:
        document = load_yaml(text, file=str(path))
        if _template_of(text) is not None:
            return []
        expanded = expand_templates(text, lookup)
        if expanded == text:
            return list(lint_pipeline(document))
        # Lines of the expanded text would lead astray.
        return [replace(p, line=None) for p in lint_pipeline(load_yaml(expanded))]
    except YamlInvalidError as error:
        return list(error.problems)


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _template_of(text: str) -> Mapping[str, object] | None:
    """Return the `template:` of a document that is one; unreadable ones are none."""
    if "template:" not in text:
        return None
    try:
        data = load_yaml(text).data
    except YamlInvalidError:
        return None
    inner = data.get("template") if isinstance(data, Mapping) else None
    return inner if isinstance(inner, Mapping) else None


def _print(path: Path, rows: Sequence[SchemaProblem]) -> None:
    if not rows:
        sys.stdout.write(f"{path}: ok\n")
    for problem in rows:
        line = f":{problem.line}" if problem.line else ""
        place = f"{path}{line}: {problem.yaml_path}"
        sys.stdout.write(f"{problem.severity.lower()}: {place}: {problem.message}\n")
        if problem.hint:
            sys.stdout.write(f"  hint: {problem.hint}\n")


if __name__ == "__main__":
    main()
