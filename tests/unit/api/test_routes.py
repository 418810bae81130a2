"""Routes whose builders are compiled late behave as werkzeug's own."""

from werkzeug.routing import Map, Rule

from fake_harness.api.routes import LazyRule

PATHS = ("/ng/api/organizations", "/pipelines/<id>/execute", "/files/<path:name>", "/n/<int:n>")
REQUESTS = ("/ng/api/organizations", "/pipelines/p%201/execute", "/files/a/b.yaml", "/n/7", "/n/x")


def outcome(rule: type[Rule], path: str) -> object:
    urls = Map([rule(path, endpoint=path) for path in PATHS]).bind("127.0.0.1")
    if not urls.test(path):
        return None
    endpoint, values = urls.match(path)
    return (
        endpoint,
        values,
        urls.build(endpoint, values),
        urls.build(endpoint, {**values, "q": "1"}),
    )


def test_they_match_and_build_the_same_urls() -> None:
    found = [outcome(LazyRule, path) for path in REQUESTS]
    assert found == [outcome(Rule, path) for path in REQUESTS]
    assert [row is None for row in found] == [False, False, False, False, True]
