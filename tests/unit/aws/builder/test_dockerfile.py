import pytest

from sandbox.aws.builder.dockerfile import command, expand, pairs, parse_dockerfile, words
from sandbox.aws.builder.errors import DockerfileError


def test_stages_and_lines_are_found() -> None:
    parsed = parse_dockerfile(
        "# comment\n"
        "ARG PY=3.11\n"
        "\n"
        "FROM python:${PY} AS Build\n"
        "RUN pip install \\\n"
        "    # a comment inside\n"
        "    flask \\\n"
        "    gunicorn\n"
        "from build\n"
        "COPY --from=0 --chown=1:1 /a /b\n"
    )
    assert [(s.name, s.base, s.origin.line) for s in parsed.stages] == [
        ("build", "python:${PY}", 4),
        ("1", "build", 9),
    ]
    (run,) = parsed.stages[0].instructions
    assert (run.line, run.value) == (5, "pip install flask gunicorn")
    (copy,) = parsed.stages[1].instructions
    assert copy.flags == {"from": "0", "chown": "1:1"}
    assert copy.value == "/a /b"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "no FROM"),
        ("RUN x\nFROM a", 1, "before the first FROM"),
        ("FROM a\nFETCH x", 2, "unknown instruction FETCH"),
        ("FROM a\n\nRUN", 3, "needs a value"),
        ("FROM a b c", 1, "expected FROM"),
        ("FROM a\nRUN <<EOF\nx\nEOF", 2, "heredoc"),
        ("# escape=`\nFROM a", 1, "escape"),
    ],
)
def test_malformed_file_is_refused_at_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(DockerfileError, match=message) as caught:
        parse_dockerfile(text)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$A/$B", "1/"),
        ("${A}x", "1x"),
        ("${B:-two}", "two"),
        ("${A:-two}", "1"),
        ("${A:+set}${B:+set}", "set"),
        (r"\$A", "$A"),
    ],
)
def test_variables_expand(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}) == expanded


def instruction(text: str):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return parse_dockerfile(f"FROM a\n{text}").stages[0].instructions[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ENV A=1 B='two words' C=\"x y\"", {"A": "1", "B": "two words", "C": "x y"}),
        ("ENV A one two", {"A": "one two"}),
        ("LABEL a=b \\\n  c=$X", {"a": "b", "c": "7"}),
    ],
)
def test_pairs_are_read(text: str, found: dict[str, str]) -> None:
    assert pairs(instruction(text), {"X": "7"}) == found


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ('CMD ["a", "b c"]', ("a", "b c")),
        ("CMD a $B", ("/bin/sh", "-c", "a $B")),
        ("CMD [not json", ("/bin/sh", "-c", "[not json")),
    ],
)
def test_exec_and_shell_forms(text: str, argv: tuple[str, ...]) -> None:
    assert command(instruction(text)) == argv


def test_json_form_of_copy_keeps_spaces() -> None:
    assert words(instruction('COPY ["a b", "c/"]'), {}) == ["a b", "c/"]
