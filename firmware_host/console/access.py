"""Who may look, and who may touch: codes, cookies and origins."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

COOKIE: Final = "groundsweep"

_MOST_COOKIES: Final = 64
"""Paired browsers at most; the oldest is forgotten."""

_WRONG_PER_MINUTE: Final = 10
"""Wrong codes a minute, from all addresses together, before pairing is closed for the rest of it."""

_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""For codes that are read out loud: without 0, O, 1, I and L."""


class Role(StrEnum):
    """What a viewer may do. Everyone looks; an operator may take control; a monitor never may."""

    OPERATOR = "operator"
    MONITOR = "monitor"


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    if address == "localhost":
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _code() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(8))


class Access:
    """Codes of one session of the console, and the browsers that were paired with them.

    Parameters
    ----------
    open_here : no code is needed, since only this machine reaches the page
    """

    def __init__(self, open_here: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.open_here = open_here
        self.codes = {Role.OPERATOR: _code(), Role.MONITOR: _code()}
        """31^8 possibilities each, new with every start; at ten tries a minute a guess takes for ever."""
        self._cookies: dict[str, Role] = {}
        self._wrong: list[float] = []
        self._now = monotonic

    def pair(self, code: str) -> str | None:
        """A cookie for a right code; None for a wrong one, and for every one after too many wrong ones."""
        now = self._now()
        self._wrong = [t for t in self._wrong if now - t < 60.0]
        if len(self._wrong) >= _WRONG_PER_MINUTE:
            return None
        given = "".join(c for c in code.upper() if c.isalnum()).encode()
        role = None
        for candidate, right in self.codes.items():
            # every code is compared whole: how long it takes tells nothing
            if hmac.compare_digest(given, right.encode()):
                role = candidate
        if role is None:
            self._wrong.append(now)
            return None
        cookie = secrets.token_urlsafe(32)
        if len(self._cookies) >= _MOST_COOKIES:
            del self._cookies[next(iter(self._cookies))]
        self._cookies[cookie] = role
        return cookie

    def role(self, cookie: str | None) -> Role | None:
        """What the bearer of a cookie may do; None for a stranger."""
        if self.open_here and not cookie:
            return Role.OPERATOR
        found = None
        for known, role in self._cookies.items():
            if cookie is not None and hmac.compare_digest(known.encode(), cookie.encode()):
                found = role
        if found is None and self.open_here:
            return Role.OPERATOR
        return found


def same_origin(origin: str | None, host: str | None) -> bool:
    """Whether a browser's request comes from our own page. A request without origin is not a page's."""
    return bool(host) and origin == f"http://{host}"
