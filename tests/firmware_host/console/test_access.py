"""Who may look and touch."""

from __future__ import annotations

import pytest

from firmware_host.console.access import Access, Role, is_loopback, same_origin


@pytest.mark.parametrize(
    ("address", "alone"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("192.168.1.5", False), ("x", False)],
)
def test_only_loopback_is_open_without_a_code(address: str, alone: bool) -> None:
    assert is_loopback(address) is alone


def test_a_stranger_has_no_role_and_a_paired_one_has_his() -> None:
    access = Access(open_here=False)
    assert access.role(None) is None
    assert access.role("made up") is None
    for role in Role:
        cookie = access.pair(access.codes[role].lower())
        assert access.role(cookie) is role


def test_codes_are_new_every_time_and_can_be_typed_in_groups() -> None:
    a, b = Access(False), Access(False)
    assert set(a.codes.values()).isdisjoint(b.codes.values())
    code = a.codes[Role.OPERATOR]
    assert a.pair(f"{code[:4]}-{code[4:]}") is not None


def test_after_ten_wrong_codes_even_the_right_one_must_wait() -> None:
    now = [0.0]
    access = Access(False, monotonic=lambda: now[0])
    for _ in range(10):
        assert access.pair("WRONG") is None
    assert access.pair(access.codes[Role.OPERATOR]) is None
    now[0] = 61.0
    assert access.pair(access.codes[Role.OPERATOR]) is not None


def test_paired_browsers_are_bounded() -> None:
    access = Access(False)
    cookies = [access.pair(access.codes[Role.MONITOR]) for _ in range(70)]
    assert access.role(cookies[0]) is None
    assert access.role(cookies[-1]) is Role.MONITOR


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:8765", "127.0.0.1:8765", True),
        ("http://127.0.0.1:8766", "127.0.0.1:8765", False),
        ("https://elsewhere.example", "127.0.0.1:8765", False),
        ("null", "127.0.0.1:8765", False),
        (None, "127.0.0.1:8765", False),
        ("http://", "", False),
        (None, None, False),
    ],
)
def test_an_origin_is_ours_only_if_it_is_the_very_host(origin: str | None, host: str | None, same: bool) -> None:
    assert same_origin(origin, host) is same
