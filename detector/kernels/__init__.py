"""Numba kernels: plain functions on arrays, state passed in and out. They trust their input.

None uses fastmath: the compiler must not reassociate sums, or the result would depend on how the
samples were cut into blocks. Those that matter for speed say themselves what is done side by side
(`vector`, `lanes`): each value still goes through the same operations in the same order. All let go of the
interpreter while they run, so that the thread that empties a port is never held up by them.

Compiled kernels are kept in the user's cache, in a folder named by the sources of all of them. Numba's own
way, beside each source and judged by that file alone, would run a kernel with another one inlined
as it was before it was changed. Numba numbers the compiled versions of a kernel, and two processes that compile at
one time give the same number to different ones, which leaves the name of one over the code of the other: chance
numbers here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

import numba
import platformdirs
from numba.core.caching import IndexDataCacheFile

_KEPT: Final = 6
"""Caches of other versions that are left in place: several may be in use on one machine."""


def _use_cache() -> None:
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    root = platformdirs.user_cache_path("groundsweep") / "kernels"
    folder = root / digest.hexdigest()[:16]
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    with contextlib.suppress(OSError):  # a home that cannot be written is numba's to deal with
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        others = sorted(root.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in others[1 + _KEPT :]:
            shutil.rmtree(old, ignore_errors=True)


def _name_by_chance(self: IndexDataCacheFile, number: int) -> str:
    return str(self._data_name_pattern.format(number=secrets.randbits(63)))


IndexDataCacheFile._data_name = _name_by_chance  # type: ignore[method-assign]
if not os.environ.get("NUMBA_CACHE_DIR"):
    _use_cache()
