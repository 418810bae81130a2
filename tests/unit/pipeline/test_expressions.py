"""Expressions: one row a promise."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from fake_harness.pipeline.expressions import (
    ExpressionError,
    MappingScope,
    RawText,
    UnresolvedExpressionError,
    evaluate,
    evaluate_condition,
    render,
)
from fake_harness.pipeline.functors import (
    ExportedVariablesFunctor,
    pure_functors,
    secret_references,
)


class Lazy(Mapping[str, object]):
    """A mapping that computes its values, as the engine's scopes do."""

    def __getitem__(self, key: str) -> object:
        if key == "computed":
            return {"deep": 7}
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(["computed"])

    def __len__(self) -> int:
        return 1


SCOPE = MappingScope(
    {
        **pure_functors(lambda: datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)),
        "exportedVariables": ExportedVariablesFunctor({"pipeline.alias.VAR": "exported"}),
        "pipeline": {
            "name": "CI build",
            "sequenceId": 12,
            "variables": {
                "env": "prod",
                "count": 5,
                "text_count": "5",
                "flag": True,
                "flag_text": "true",
                "off": "false",
                "empty": "",
                "nothing": None,
                "indirect": "<+pipeline.variables.env>-x",
                "twice": "<+pipeline.variables.indirect>!",
                "ratio": 2.5,
            },
            "stages": {
                "build": {"spec": {"execution": {"steps": {"test": {"status": "SUCCEEDED"}}}}},
                "deploy_0": {"status": "FAILED"},
            },
            "tags": {"team": "web"},
        },
        "steps": {
            "run": {"output": {"outputVariables": {"TAG": "1.2.3", "x-y": "dash", "CSV": "a,b,,"}}},
            "http": {"output": {"httpResponseCode": 200, "httpResponseBody": '{"a":{"b":[1,2]}}'}},
        },
        "trigger": {
            "branch": "refs/heads/feature/a",
            "payload": {"items": [{"n": "one"}, {"n": "two"}]},
        },
        "raw": RawText("<+targetGroupArn>"),
        "matrix": {"env": "dev", "service": {"name": "api", "ports": [80, 443]}},
        "variable": {"account": {"x": 1}},
        "lazy": Lazy(),
        "var_dev": "joined",
        "circle": "<+circle>",
        "big": "x" * (200 * 1024),
        "script": "if [ 1 <+ 2 ]",
    }
)

VALUES: list[tuple[str, object]] = [
    # paths
    ("<+pipeline.name>", "CI build"),
    ("<+pipeline.sequenceId>", 12),
    ("<+pipeline.variables.flag>", True),
    ("<+pipeline.variables.nothing>", None),
    ("<+pipeline.tags>", {"team": "web"}),
    ("<+pipeline.stages.build.spec.execution.steps.test.status>", "SUCCEEDED"),
    ('<+steps.run.output.outputVariables["x-y"]>', "dash"),
    ("<+steps.run.output.outputVariables['TAG']>", "1.2.3"),
    ('<+steps.run.output.outputVariables.get("x-y")>', "dash"),
    ("<+trigger.payload.items[1].n>", "two"),
    ("<+trigger.payload.items.1.n>", "two"),
    ("<+trigger.payload.items.size()>", 2),
    ("<+matrix.service.ports[0]>", 80),
    ("<+matrix.service>", {"name": "api", "ports": [80, 443]}),
    ("<+lazy.computed.deep>", 7),
    ("<+variable.account.x>", 1),
    ("<+pipeline?.name>", "CI build"),
    # text around, several, types
    ("v<+pipeline.sequenceId>", "v12"),
    ("<+pipeline.name>-<+pipeline.sequenceId>", "CI build-12"),
    ("<+pipeline.variables.ratio>x", "2.5x"),
    ("is <+pipeline.variables.flag>", "is true"),
    ("got <+pipeline.variables.nothing>", "got null"),
    ("ports=<+matrix.service.ports>", "ports=[80, 443]"),
    ("tags=<+pipeline.tags>", 'tags={"team": "web"}'),
    ("no expression", "no expression"),
    ("a < b > c", "a < b > c"),
    ("open <+ never", "open <+ never"),
    ("<+raw>", "<+targetGroupArn>"),
    ("arn: <+raw>", "arn: <+targetGroupArn>"),
    # found text is resolved in turn
    ("<+pipeline.variables.indirect>", "prod-x"),
    ("<+pipeline.variables.twice>", "prod-x!"),
    # nested
    ("<+<+pipeline.variables.count> + 1>", 6),
    ('<+ <+pipeline.variables.env> + "x">', "prodx"),
    ('<+pipeline.stages.<+"build">.spec.execution.steps.test.status>', "SUCCEEDED"),
    ("<+pipeline.stages.deploy_<+<+pipeline.variables.count> - 5>.status>", "FAILED"),
    ("<+var_<+matrix.env>>", "joined"),
    ('<+"in-<+matrix.env>-text">', "in-dev-text"),
    ("<+(100 - <+pipeline.variables.count>)>", 95),
    ("<+<+pipeline.variables.env>.toUpperCase()>", "PROD"),
    ("<+<+matrix.service>.name>", "api"),
    # literals
    ("<+1>", 1),
    ("<+1.5>", 1.5),
    ("<+10L>", 10),
    ('<+"a\\"b">', 'a"b'),
    ("<+'a\\nb'>", "a\nb"),
    ("<+`tick`>", "tick"),
    ("<+true>", True),
    ("<+null>", None),
    ("<+[1, 'a', [2]]>", [1, "a", [2]]),
    ('<+{"a": 1, "b": [2]}>', {"a": 1, "b": [2]}),
    ("<+[]>", []),
    ("<+{}>", {}),
    # arithmetic
    ("<+1 + 2 * 3>", 7),
    ("<+(1 + 2) * 3>", 9),
    ("<+7 / 2>", 3),
    ("<+-7 / 2>", -3),
    ("<+7.0 / 2>", 3.5),
    ("<+-7 % 3>", -1),
    ("<+7 mod 4>", 3),
    ("<+8 div 4>", 2),
    ("<+10 - 2 - 3>", 5),
    ("<+-5>", -5),
    ("<+- -5>", 5),
    ("<+2.0 + 3>", 5.0),
    ("x<+2.0 + 3>", "x5.0"),
    ('<+"a" + 1>', "a1"),
    ('<+1 + "a">', "1a"),
    ('<+"5" + "6">', "56"),
    ("<+<+pipeline.variables.text_count> + 1>", 6),
    ("<+null + 1>", 1),
    ('<+"a" + null>', "a"),
    ("<+pipeline.variables.text_count * 2>", 10),
    ("<+'' + 'x'>", "x"),
    # comparison
    ("<+1 == 1.0>", True),
    ('<+"5" == 5>', True),
    ('<+"x" == 5>', False),
    ('<+true == "true">', True),
    ("<+null == null>", True),
    ("<+pipeline.variables.nothing == null>", True),
    ("<+pipeline.variables.missing == null>", True),
    ("<+pipeline.variables.env != null>", True),
    ('<+"a" != "b">', True),
    ("<+1 < 2>", True),
    ("<+2 <= 2>", True),
    ("<+(3 > 2)>", True),
    ("<+3 > 2>", True),
    ("<+<+pipeline.variables.count> > 3>", True),
    ("<+<+pipeline.variables.count> >= 5>", True),
    ("<+<+pipeline.variables.count> < 3>", False),
    ('<+"b" > "a">', True),
    ("<+null < 1>", False),
    ("<+2 eq 2 and 3 ne 4>", True),
    ("<+1 lt 2 or 1 gt 2>", True),
    ("<+1 le 1 && 1 ge 2>", False),
    ('<+"v1.2" =~ "v\\d+\\.\\d+">', True),
    ('<+"xv1" =~ "v1">', False),
    ('<+"b" =~ ["a", "b"]>', True),
    ('<+"b" !~ ["a", "b"]>', False),
    ('<+"team" =~ <+pipeline.tags>>', True),
    ('<+"release/1" =^ "release">', True),
    ('<+"release/1" !^ "release">', False),
    ('<+"a.yaml" =$ ".yaml">', True),
    ('<+"a.yaml" !$ ".yaml">', False),
    # logic
    ("<+true && false>", False),
    ("<+true || false>", True),
    ("<+!true>", False),
    ("<+not true>", False),
    ('<+!"false">', True),
    ("<+1 == 1 && 2 == 2 || false>", True),
    ("<+false && missing.thing>", False),
    ("<+true || missing.thing>", True),
    ('<+pipeline.variables.flag ? "a" : "b">', "a"),
    ('<+pipeline.variables.off ? "a" : "b">', "b"),
    ('<+1 == 2 ? "a" : 2 == 2 ? "b" : "c">', "b"),
    ('<+pipeline.variables.missing ?: "default">', "default"),
    ('<+pipeline.variables.empty ?: "default">', "default"),
    ('<+pipeline.variables.env ?: "default">', "prod"),
    ('<+pipeline.variables.nothing ?? "n">', "n"),
    ('<+pipeline.variables.empty ?? "n">', ""),
    ("<+empty(pipeline.variables.empty)>", True),
    ("<+empty(pipeline.variables.missing)>", True),
    ("<+size(matrix.service.ports)>", 2),
    # strings
    ('<+"aB".toUpperCase()>', "AB"),
    ('<+"aB".toLowerCase()>', "ab"),
    ('<+" x ".trim()>', "x"),
    ('<+"a-b-c".replace("-", "_")>', "a_b_c"),
    ('<+"a1b22".replaceAll("\\d+", "#")>', "a#b#"),
    ('<+"ab".replaceAll("(a)(b)", "$2$1")>', "ba"),
    ('<+"a1b2".replaceFirst("\\d", "")>', "ab2"),
    ('<+"a,b,c".split(",")[1]>', "b"),
    ("<+steps.run.output.outputVariables.CSV.split(',').size()>", 2),
    ('<+"a,b,c".split(",", 2)[1]>', "b,c"),
    ('<+trigger.branch.split("/")[2]>', "feature"),
    ('<+trigger.branch.replace("refs/heads/", "")>', "feature/a"),
    ('<+"abc".contains("b")>', True),
    ('<+"abc".startsWith("a")>', True),
    ('<+"abc".endsWith("c")>', True),
    ('<+"abcdef".substring(2)>', "cdef"),
    ('<+"abcdef".substring(0, 3)>', "abc"),
    ('<+"abc".length()>', 3),
    ('<+"abc".indexOf("c")>', 2),
    ('<+"abcabc".lastIndexOf("b")>', 4),
    ('<+"".isEmpty()>', True),
    ('<+"a".equals("a")>', True),
    ('<+"a".equals(1)>', False),
    ('<+"A".equalsIgnoreCase("a")>', True),
    ('<+"a".concat("b")>', "ab"),
    ('<+"abc".charAt(1)>', "b"),
    ('<+"v12".matches("v[0-9]+")>', True),
    ('<+"%s has %03d (%.2f%%)".format("x", 7, 1.5)>', "x has 007 (1.50%)"),
    ('<+"ab".repeat(2)>', "abab"),
    ("<+pipeline.sequenceId.toString()>", "12"),
    ("<+pipeline.variables.ratio.intValue()>", 2),
    # lists and maps
    ("<+matrix.service.ports.contains(443)>", True),
    ("<+matrix.service.ports.get(1)>", 443),
    ("<+matrix.service.ports.indexOf(443)>", 1),
    ('<+pipeline.tags.containsKey("team")>', True),
    ('<+pipeline.tags.getOrDefault("none", "d")>', "d"),
    ("<+pipeline.tags.keySet()>", ["team"]),
    ("<+pipeline.tags.isEmpty()>", False),
    # functors
    ('<+json.select("a.b[1]", <+steps.http.output.httpResponseBody>)>', 2),
    ('<+json.select("$.a.b", steps.http.output.httpResponseBody)>', [1, 2]),
    ('<+json.list("a.b[*]", steps.http.output.httpResponseBody).size()>', 2),
    ("<+json.object(steps.http.output.httpResponseBody).a.b[0]>", 1),
    ("<+json.format(matrix.service)>", '{"name": "api", "ports": [80, 443]}'),
    ('<+regex.extract("\\d+", "build-42-x")>', "42"),
    ('<+regex.match("^v", "v1")>', True),
    ('<+regex.replace("(\\d)", "<$1>", "a1")>', "a<1>"),
    ('<+xml.select("/b/t", "<b><t>hi</t></b>")>', "hi"),
    ('<+xml.select("//t/@id", "<b><t id=\'7\'/></b>")>', "7"),
    ("<+datetime.currentDate()>", "2026-11-23"),
    ('<+exportedVariables.getValue("pipeline.alias.VAR")>', "exported"),
    ('<+secrets.getValue("db")>', '${ngSecretManager.obtain("db", 0)}'),
    ('p=<+secrets.getValue("account.db_pw")>', 'p=${ngSecretManager.obtain("account.db_pw", 0)}'),
    ('<+secrets.getValue("<+matrix.env>_pw")>', '${ngSecretManager.obtain("dev_pw", 0)}'),
    ("<+secrets.getValue(<+matrix.env>)>", '${ngSecretManager.obtain("dev", 0)}'),
]


@pytest.mark.parametrize(("text", "value"), VALUES, ids=[text for text, _ in VALUES])
def test_expression_has_its_value_and_type(text: str, value: object) -> None:
    got = render(text, SCOPE)
    assert got == value
    assert isinstance(got, type(value)) or value is None


REFUSALS = [
    ("<+pipeline.variables.envv>", "Did you mean 'env'?"),
    ("<+pipelin.name>", "Did you mean 'pipeline'?"),
    ("<+pipeline.stages.deply_0.status>", "Did you mean 'deploy_0'?"),
    ("<+pipeline.variables.nothing.x>", "'x' is unknown"),
    ("<+pipeline.variables.nothing.trim()>", "called on null"),
    ("<+trigger.payload.items[5]>", "no item 5"),
    ("<+pipeline.name.shout()>", "a string has no method 'shout'"),
    ("<+pipeline.name.substring(99)>", "begin 99"),
    ("<+pipeline.name.substring()>", "wrong arguments"),
    ("<+1 / 0>", "division by zero"),
    ('<+"x" - 1>', "'x' is not a number"),
    ("<+1 +>", "ends too early"),
    ("<+a = 1>", "Compare with `==`"),
    ("<+(1>", "expected `)`"),
    ("<+system('x')>", "unknown function 'system'"),
    ("<+'it''s'.length()>", "unexpected"),
    ("<+>", "it is empty"),
    ('<+"a" =~ "(">', "not a regular expression"),
    ("<+circle>", "more than 15 levels deep"),
    ("<+big><+big>", "larger than 256 KB"),
    ('<+"ab".repeat(9000000)>', "count 9000000"),
    ("<+" * 150 + "a" + ">" * 150, "nested expressions"),
    ("<+" + "(" * 150 + "1" + ")" * 150 + ">", "levels"),
    ("<+" + "-" * 150 + "1>", "levels"),
    ('<+json.select("a..b", {"a": 1})>', "not supported"),
    ('<+json.select("z", "{}")>', "finds nothing"),
    ('<+json.object("{")>', "not JSON"),
    ('<+json.nope("{")>', "json has no method 'nope'"),
    ('<+xml.select("/a", "<!DOCTYPE a><a/>")>', "document type"),
    ('<+secrets.getValue("a b")>', "not the identifier of a secret"),
    ('<+exportedVariables.getValue("x")>', "Known: pipeline.alias.VAR"),
]


@pytest.mark.parametrize(("text", "words"), REFUSALS, ids=[text[:60] for text, _ in REFUSALS])
def test_refusal_names_the_expression_and_the_fault(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(text, SCOPE)
    assert words in str(caught.value)
    assert "<+" in str(caught.value)


CONDITIONS = [
    ('<+pipeline.variables.env> == "prod"', True),
    ('<+pipeline.variables.env> == "dev" || <+pipeline.variables.flag>', True),
    ('pipeline.variables.env == "prod"', True),
    ('<+<+pipeline.variables.env> == "prod">', True),
    ('<+pipeline.variables.missing> == "x"', False),
    ('<+pipeline.variables.missing> == "x" || true', True),
    ("!<+pipeline.variables.missing>", True),
    ("<+nowhere.at.all>", False),
    ("<+pipeline.variables.flag_text>", True),
    ('<+trigger.branch>.startsWith("refs/heads/")', True),
    ("<+pipeline.variables.count> > 3 && <+pipeline.variables.count> < 10", True),
    ("<+input>", False),
    ("", False),
    ("true", True),
]


@pytest.mark.parametrize(("text", "verdict"), CONDITIONS, ids=[text for text, _ in CONDITIONS])
def test_condition_has_its_verdict(text: str, *, verdict: bool) -> None:
    assert evaluate_condition(text, SCOPE) is verdict


def test_condition_that_is_no_verdict_is_refused() -> None:
    with pytest.raises(ExpressionError, match="must be true or false"):
        evaluate_condition("<+pipeline.name>", SCOPE)


def test_render_walks_values_and_keys() -> None:
    body = {"a": ["<+pipeline.sequenceId>", {"<+matrix.env>": 1}], "b": None, "c": 3}
    assert render(body, SCOPE) == {"a": [12, {"dev": 1}], "b": None, "c": 3}


def test_unresolved_can_be_kept_or_null() -> None:
    text = "<+no.such> and <+pipeline.sequenceId>"
    assert render(text, SCOPE, unresolved="keep") == "<+no.such> and 12"
    assert render(text, SCOPE, unresolved="null") == "null and 12"
    assert render("<+no.such>", SCOPE, unresolved="null") is None
    with pytest.raises(UnresolvedExpressionError):
        render(text, SCOPE)


def test_kept_expression_still_refuses_bad_syntax() -> None:
    with pytest.raises(ExpressionError):
        render("<+a +>", SCOPE, unresolved="keep")


def test_payload_text_is_never_taken_for_an_expression() -> None:
    scope = MappingScope({"trigger": {"title": RawText('<+secrets.getValue("x")>')}})
    assert render("t: <+trigger.title>", scope) == 't: <+secrets.getValue("x")>'


def test_secret_references_are_found_in_rendered_values() -> None:
    body = {"env": {"A": '<+secrets.getValue("org.a")>'}, "l": ['x<+secrets.getValue("b")>']}
    assert list(secret_references(render(body, SCOPE))) == ["org.a", "b"]


def test_evaluate_takes_bare_and_wrapped_text() -> None:
    assert evaluate("pipeline.sequenceId + 1", SCOPE) == 13
    assert evaluate("<+pipeline.sequenceId>", SCOPE) == 12
