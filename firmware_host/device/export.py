"""Writes tuned filters as C99: constants generated, the code that runs them copied beside."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy

from detector.embedded.cascade import Cascade
from detector.embedded.quantised import RANGES, Quantised
from detector.samples import StreamDescription
from firmware_host.device.build import SOURCES

CODE: Final = ("groundsweep_filters.h", "groundsweep_filters.c")
TUNED: Final = ("groundsweep_tuned.h", "groundsweep_tuned.c")


@dataclass(frozen=True, slots=True)
class Exported:
    """One stream's front end, in the words that it was exported for."""

    stream: StreamDescription
    cascade: Cascade
    q31: Quantised | None
    q15: Quantised | None

    @property
    def name(self) -> str:
        """As a name of C."""
        return "tuned_" + self.stream.name.replace("-", "_")

    @property
    def state_bytes(self) -> dict[str, int]:
        """RAM that a record's states need, by word."""
        n = len(self.cascade.sos) * (1 if self.cascade.zero_phase else self.cascade.lines)
        return {"q31": 16 * n, "q15": 8 * n, "f32": 8 * n}

    @property
    def room_bytes(self) -> dict[str, int]:
        """RAM that one A-scan at a time needs, by word."""
        n = self.cascade.samples + 2 * self.cascade.pad if self.cascade.zero_phase else 0
        return {"q31": 4 * n, "q15": 2 * n, "f32": 4 * n}


def write_sources(folder: Path, exported: Sequence[Exported], origin: Iterable[str]) -> list[Path]:
    """Header, constants and code into a folder; origin : lines for the head comment. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CODE:
        shutil.copyfile(SOURCES / name, folder / name)
    comment = "\n".join(f" * {line}" for line in origin)
    header = [
        f"/* Written by groundsweep: do not edit.\n{comment}\n */", "#ifndef GROUNDSWEEP_TUNED_H",
        "#define GROUNDSWEEP_TUNED_H", "", '#include "groundsweep_filters.h"', "",
    ]  # fmt: skip
    body = [f"/* Written by groundsweep: do not edit.\n{comment}\n */", '#include "groundsweep_tuned.h"', ""]
    for e in exported:
        header += [f"/* {e.stream.name}: {'; '.join(e.cascade.holds)}. */", f"extern const gsf_tuned {e.name};"]
        for word, q in (("Q31", e.q31), ("Q15", e.q15)):
            if q is not None:
                header.append(
                    f"#define {e.name.upper()}_COUNTS_PER_{word} {q.unit:.9g} "
                    f"/* one unit of the output; error at most {q.error:.4g} counts */"
                )
        header.append("")
        body += _stream(e)
    header += ["extern const gsf_tuned *const exported_streams[];", "extern const unsigned exported_count;"]
    header += ["", "#endif"]
    names = ", ".join(f"&{e.name}" for e in exported)
    body.append(f"const gsf_tuned *const exported_streams[] = {{{names}}};")
    body.append(f"const unsigned exported_count = {len(exported)};")
    for name, lines in zip(TUNED, (header, body), strict=True):
        (folder / name).write_text("\n".join(lines) + "\n")
    return [folder / name for name in (*CODE, *TUNED)]


def _stream(e: Exported) -> list[str]:
    c, name = e.cascade, e.name
    q = e.q31 or e.q15
    middle = 32768 if e.stream.sample_type == "uint16" else 0
    limit = int(q.limit) if q else int(RANGES.get(e.stream.sample_type, 2.0**31))
    head = f"{{{middle}, {min(limit, 2**31 - 1)}}}"
    out = []
    if q is not None and len(q.reciprocals):
        out.append(_table(f"{name}_reciprocals", "int32_t", q.reciprocals))
    if c.zero_phase:
        table = f"{name}_reciprocals" if q is not None and len(q.reciprocals) else "NULL"
        out.append(
            f"static const gsf_ascan {name}_ascan = {{{head}, {c.samples}, {c.blank}, {c.half}, {c.pad}, {table}}};"
        )
    out.append(f"static const gsf_input {name}_input = {head};")
    parts = {"q31": "NULL", "q15": "NULL"}
    for word, quantised in (("q31", e.q31), ("q15", e.q15)):
        if quantised is None:
            continue
        k = quantised.coefficients
        if word == "q15":
            k = np.column_stack((k[:, :1], np.zeros((len(k), 1), np.int64), k[:, 1:]))
        kind = "int32_t" if word == "q31" else "int16_t"
        tables = "NULL, NULL"
        if len(k):
            out.append(_table(f"{name}_{word}_coefficients", kind, k.reshape(-1)))
            out.append(_table(f"{name}_{word}_rest", "int32_t", quantised.rest))
            tables = f"{name}_{word}_coefficients, {name}_{word}_rest"
        out.append(
            f"static const gsf_cascade_{word} {name}_{word} = "
            f"{{{len(k)}, {quantised.post_shift}, {quantised.shift}, {tables}}};"
        )
        parts[word] = f"&{name}_{word}"
    tables = "NULL, NULL"
    if len(c.sos):
        signs = np.array([1.0, 1.0, 1.0, -1.0, -1.0])
        out.append(_table(f"{name}_f32_coefficients", "float", (c.sos[:, [0, 1, 2, 4, 5]] * signs).reshape(-1)))
        out.append(_table(f"{name}_f32_start", "float", scipy.signal.sosfilt_zi(c.sos).reshape(-1)))
        tables = f"{name}_f32_coefficients, {name}_f32_start"
    out.append(f"static const gsf_cascade_f32 {name}_f32 = {{{len(c.sos)}, {tables}}};")
    ascan = f"&{name}_ascan" if c.zero_phase else "NULL"
    out.append(
        f'const gsf_tuned {name} = {{"{e.stream.name}", {c.lines}, {ascan}, &{name}_input, '
        f"{parts['q31']}, {parts['q15']}, &{name}_f32}};"
    )
    return [*out, ""]


def _table(name: str, kind: str, values: Any) -> str:
    if kind == "float":
        text = [f"{float(v):.9e}f" for v in np.asarray(values, np.float32)]
    else:
        # the least number of a width has no literal of its own in C
        text = ["(-2147483647 - 1)" if v == -(2**31) else str(int(v)) for v in values]
    rows = [", ".join(text[i : i + 8]) for i in range(0, len(text), 8)]
    return f"static const {kind} {name}[{len(text)}] = {{\n    " + ",\n    ".join(rows) + ",\n};"
