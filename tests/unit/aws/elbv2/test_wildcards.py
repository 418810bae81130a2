"""ALB's match texts as regular expressions."""

import ipaddress
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.aws.elbv2.wildcards import any_of, cidr, glob


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("/a/*", "/a/", True),
        ("/a/*", "/a", False),
        ("/?", "/ab", False),
        ("a.c", "abc", False),
        ("a+(b)", "a+(b)", True),
        ("a\\*", "a*", True),
        ("a\\*", "ab", False),
        ("a\\", "a\\", True),
    ],
)
def test_wildcards(pattern: str, text: str, is_match: bool) -> None:
    assert (re.fullmatch(glob(pattern), text) is not None) is is_match


def test_any_of_matches_where_one_does() -> None:
    assert re.fullmatch(any_of(["a", "b"]), "b")
    assert not re.fullmatch(any_of(["a", "b"]), "ab")


@settings(deadline=None)
@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(0, 32))
def test_a_cidr_pattern_agrees_with_the_block(
    base: ipaddress.IPv4Address, address: ipaddress.IPv4Address, bits: int
) -> None:
    block = ipaddress.ip_network(f"{base}/{bits}", strict=False)
    for candidate in (address, block.network_address, block.broadcast_address):
        is_match = re.fullmatch(cidr(str(block)), str(candidate)) is not None
        assert is_match is (candidate in block)


@pytest.mark.parametrize(
    ("block", "is_match"), [("::1/128", True), ("::2/128", False), ("::/64", False)]
)
def test_ipv6_blocks_match_single_addresses_only(block: str, is_match: bool) -> None:
    assert (re.fullmatch(cidr(block), "::1") is not None) is is_match
