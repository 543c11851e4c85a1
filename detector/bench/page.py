"""The report of a bench session as one HTML file that needs nothing else, and prints on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from detector.bench.result import Result, Verdict
from detector.bench.units import figure_texts

_STYLE: Final = (
    "body{font:15px/1.45 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#000;background:#fff}"
    "h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2rem;border-bottom:2px solid #000}"
    "table{border-collapse:collapse;margin:.8rem 0;width:100%}"
    "td,th{border:1px solid #888;padding:.2rem .5rem;text-align:left;vertical-align:top}th{background:#eee}"
    "td.n{text-align:right;white-space:nowrap}img{width:100%;max-width:40rem;display:block;margin:.5rem 0}"
    ".v{font-weight:bold;white-space:nowrap}.fail,.refused{background:#000;color:#fff;padding:0 .3rem}"
    ".undecided{border:1px dashed #000;padding:0 .3rem}.pass{border:1px solid #000;padding:0 .3rem}"
    ".refusal{border:3px solid #000;padding:.6rem;font-weight:bold}.small{font-size:.85rem}"
    "details{margin:.5rem 0}"
    "@media print{body{margin:0;max-width:none;font-size:10.5pt}section{page-break-inside:avoid;break-inside:avoid}"
    "section.first{page-break-before:always;break-before:page}tr,img{page-break-inside:avoid;break-inside:avoid}"
    "thead{display:table-header-group}img{width:auto;max-height:75mm}details>*{display:block}}@page{size:A4;margin:15mm}"
)

_WORDS: Final = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "FAIL",
    Verdict.UNDECIDED: "undecided",
    Verdict.NO_LIMIT: "no limit",
    Verdict.REFUSED: "no figure",
}


def page(
    title: str, provenance: Sequence[tuple[str, str]], results: Sequence[Result], pictures: Mapping[int, str]
) -> str:
    """The report.

    Parameters
    ----------
    provenance : (what, value) rows: head, serial number, firmware, settings hash, date, conditions, files
    results : in the order in which they are shown
    pictures : by the number of the result, the source of an <img>; or a sentence why there is none
    """
    rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in provenance)
    summary = "".join(
        f"<tr><td>{escape(r.title)}</td><td>{_verdict(r.verdict)}</td><td>{escape(_deciding(r))}</td></tr>"
        for r in results
    )
    parts = [
        f"<h1>{escape(title)}</h1><table>{rows}</table>",
        "<p>Every interval holds the true value in 95 of 100 repetitions, by the method stated beside it. A figure "
        "passes or fails only if its whole interval does; <i>undecided</i> says that more repeats are needed. A bench "
        "test says how a head measures, not that any ground is free of mines.</p>",
        "<table><thead><tr><th>measurement</th><th>verdict</th><th>what decides it</th></tr></thead>"
        f"<tbody>{summary}</tbody></table>",
    ]
    parts += [_section(r, pictures.get(k, ""), k) for k, r in enumerate(results)]
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _verdict(v: Verdict) -> str:
    return f'<span class="v {str(v).replace(" ", "-")}">{_WORDS[v]}</span>'


def _deciding(r: Result) -> str:
    if r.refusal:
        return r.refusal
    if not r.figures:
        return "-"
    deciding = next((f for f in r.figures if f.verdict is r.verdict), r.figures[0])
    value, interval, _ = figure_texts(deciding)
    return f"{deciding.name}: {value} ({interval})"


def _section(r: Result, picture: str, k: int) -> str:
    out = [f'<section class="{"first" if k == 0 else ""}"><h2>{escape(r.title)}</h2>']
    out.append(f'<p class="small">{escape(r.source)}</p>')
    if r.refusal:
        out.append(f'<p class="refusal">No figure is given. {escape(r.refusal)}</p>')
    if r.figures:
        head = "".join(f"<th>{h}</th>" for h in ("figure", "value", "95 % interval", "limit", "verdict", "how"))
        rows = []
        for f in r.figures:
            value, interval, limit = figure_texts(f)
            why = f" ({f.limit.why})" if f.limit is not None else ""
            rows.append(
                f'<tr><td>{escape(f.name)}</td><td class="n">{escape(value)}</td><td class="n">{escape(interval)}</td>'
                f"<td>{escape(limit + why)}</td><td>{_verdict(f.verdict)}</td><td>{escape(f.how)}</td></tr>"
            )
        out.append(f"<table class=small><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>")
    if picture.startswith("data:"):
        out.append(f'<img src="{picture}" alt="{escape(r.title)}: chart">')
    elif picture:
        out.append(f"<p>{escape(picture)}</p>")
    out += [f"<p>{escape(n)}</p>" for n in r.notes]
    if r.settings:
        said = ", ".join(f"{k} = {_short(v)}" for k, v in r.settings.items())
        out.append(f'<p class="small">Settings: {escape(said)}</p>')
    out.append("</section>")
    return "".join(out)


def _short(v: Any) -> str:
    if isinstance(v, list | tuple):
        return "as planned" if not v else "(" + ", ".join(f"{x:g}" for x in v) + ")"
    return f"{v:g}" if isinstance(v, int | float) else str(v)
