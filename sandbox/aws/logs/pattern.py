"""CloudWatch Logs filter patterns to predicates; pure.

Source: CloudWatch Logs user guide, "Filter pattern syntax". Patterns of space-delimited
fields (`[ip, user, ...]`) are refused.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandbox.errors import AwsError, not_implemented

Matches = Callable[[str], bool]
_Test = Callable[[object], bool]

_TERM = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|%([^%]+)%|(\S+))')
_TOKEN = re.compile(
    r"\s*(&&|\|\||\(|\)|!=|<=|>=|=|<|>|%[^%]+%|\"(?:[^\"\\]|\\.)*\"|\$[^\s=!<>&|()]*|[^\s=!<>&|()]+)"
)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[[\"']([^\"']+)[\"']\]")

_MISSING = object()


def compile_pattern(pattern: str) -> Matches:
    """Return a predicate over messages.

    Raises:
        AwsError: InvalidParameterException for a malformed pattern, NotImplemented for
            a pattern of space-delimited fields.

    """
    text = pattern.strip()
    if not text:
        return lambda _message: True
    if text.startswith("["):
        raise not_implemented("logs", "FilterLogEvents", "patterns of space-delimited fields")
    if text.startswith("{"):
        return _json_pattern(text)
    return _terms_pattern(text)


def _terms_pattern(text: str) -> Matches:
    required: list[Matches] = []
    optional: list[Matches] = []
    excluded: list[Matches] = []
    for sign, quoted, regex, word in _TERM.findall(text):
        matches = _contains(quoted.replace('\\"', '"') or word, regex)
        {"": required, "?": optional, "-": excluded}[sign].append(matches)

    def matches_all(message: str) -> bool:
        if any(test(message) for test in excluded):
            return False
        # Optional terms count only where no term is required.
        if optional and not required:
            return any(test(message) for test in optional)
        return all(test(message) for test in required)

    return matches_all


def _contains(term: str, regex: str) -> Matches:
    if regex:
        compiled = _regex(regex)
        return lambda message: compiled.search(message) is not None
    return lambda message: term in message


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise _invalid(f"bad regular expression {text!r}") from error


def _json_pattern(text: str) -> Matches:
    if not text.endswith("}"):
        raise _invalid("a JSON pattern ends with }")
    parser = _Parser(_tokenize(text[1:-1]))
    test = parser.disjunction()
    if parser.peek():
        raise _invalid(f"unexpected {parser.peek()!r}")

    def matches(message: str) -> bool:
        try:
            parsed = json.loads(message)
        except ValueError:
            return False
        return isinstance(parsed, dict) and test(parsed)

    return matches


def _tokenize(text: str) -> Sequence[str]:
    tokens = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise _invalid(f"unexpected {text[position:].strip()!r}")
        tokens.append(match.group(1))
        position = match.end()
    return tokens


@dataclass(slots=True)
class _Parser:
    """Recursive descent over: or, and, parentheses, one comparison."""

    tokens: Sequence[str]
    position: int = 0

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        if not token:
            raise _invalid("it ends too early")
        self.position += 1
        return token

    def disjunction(self) -> _Test:
        tests = [self.conjunction()]
        while self.peek() == "||":
            self.take()
            tests.append(self.conjunction())
        return lambda value: any(test(value) for test in tests)

    def conjunction(self) -> _Test:
        tests = [self.comparison()]
        while self.peek() == "&&":
            self.take()
            tests.append(self.comparison())
        return lambda value: all(test(value) for test in tests)

    def comparison(self) -> _Test:
        if self.peek() == "(":
            self.take()
            inner = self.disjunction()
            if self.take() != ")":
                raise _invalid("a parenthesis is not closed")
            return inner
        select = _selector(self.take())
        operator = self.take().upper()
        if operator in {"IS", "NOT"}:
            check = _existence(operator, self.take().upper())
        else:
            check = _operator(operator, self.take())
        return lambda value: check(select(value))


def _selector(text: str) -> Callable[[object], object]:
    steps = [a or b or c for a, b, c in _STEP.findall(text[1:])]
    if not text.startswith("$") or not steps or _STEP.sub("", text[1:]):
        raise _invalid(f"{text!r} is not a property selector")

    def select(value: object) -> object:
        for step in steps:
            if isinstance(value, dict):
                value = value.get(step, _MISSING)
            elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            else:
                return _MISSING
        return value

    return select


def _existence(operator: str, word: str) -> _Test:
    tests: dict[tuple[str, str], _Test] = {
        ("IS", "NULL"): lambda value: value is None,
        ("IS", "TRUE"): lambda value: value is True,
        ("IS", "FALSE"): lambda value: value is False,
        ("NOT", "EXISTS"): lambda value: value is _MISSING,
    }
    if (operator, word) not in tests:
        raise _invalid(f"unknown test {operator} {word}")
    return tests[operator, word]


def _operator(operator: str, operand: str) -> _Test:
    equal = _equality(operand)
    if operator == "=":
        return equal
    if operator == "!=":
        return lambda value: value is not _MISSING and not equal(value)
    number = _number(operand)
    if number is None:
        raise _invalid(f"{operator} needs a number, not {operand!r}")
    compare: dict[str, Callable[[float], bool]] = {
        "<": lambda value: value < number,
        "<=": lambda value: value <= number,
        ">": lambda value: value > number,
        ">=": lambda value: value >= number,
    }
    if operator not in compare:
        raise _invalid(f"unknown operator {operator!r}")
    test = compare[operator]
    return lambda value: _is_number(value) and test(float(str(value)))


def _equality(operand: str) -> _Test:
    if operand.startswith("%"):
        regex = _regex(operand.strip("%"))
        return lambda value: isinstance(value, str) and regex.search(value) is not None
    number = _number(operand)
    if number is not None:
        return lambda value: _is_number(value) and float(str(value)) == number
    text = operand[1:-1].replace('\\"', '"') if operand.startswith('"') else operand
    pattern = re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _invalid(why: str) -> AwsError:
    return AwsError("InvalidParameterException", f"Invalid filter pattern: {why}.")
