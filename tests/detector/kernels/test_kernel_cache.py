"""Compiled kernels on disk: what two processes leave there when both compile at one time."""

from __future__ import annotations

from pathlib import Path

from numba.core.caching import IndexDataCacheFile

import detector.kernels  # noqa: F401


def test_two_processes_that_compile_at_one_time_never_leave_the_name_of_one_over_the_code_of_the_other(
    tmp_path: Path,
) -> None:
    """The worst order: both read an empty index, both write it, and the code arrives the other way round."""
    one, other, reader = (IndexDataCacheFile(str(tmp_path), "kernel", "stamp") for _ in range(3))
    other._load_index = dict
    write = one._save_data

    def write_last(name: str, code: str) -> None:
        other.save("for floats", "code for floats")
        write(name, code)

    one._save_data = write_last
    one.save("for integers", "code for integers")
    # an entry that was lost is compiled again
    assert reader.load("for integers") in (None, "code for integers")
    assert reader.load("for floats") == "code for floats"
