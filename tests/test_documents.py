"""README and docs hold together: links lead somewhere, and the commands that they show exist, with those options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from firmware_host.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "recordings" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^```.*?^```\n", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
LINE = re.compile(r"^(?: {4,}| *\$ )(?:\$ )?(?:\.venv/bin/)?groundsweep +(.+)$", re.MULTILINE)
INLINE = re.compile(r"`(?:\.venv/bin/)?groundsweep ([a-z][^`\\]*)`")
NAMED = re.compile(r"\bdocs/[\w/-]+\.md\b")


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    titles = re.findall(r"^#+ +(.+?) *$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", t).lower() for t in titles)
    return {re.sub(r"[^\w\- ]", "", t).replace(" ", "-") for t in plain}


@cache
def command_line() -> Any:
    return typer.main.get_command(app)


def commands(text: str) -> Iterator[list[str]]:
    """The words after 'groundsweep', of lines to type and of code within sentences; comments and joined lines."""
    text = text.replace("\\\n", " ")
    for shown in (*LINE.findall(text), *INLINE.findall(text)):
        yield shlex.split(re.sub(r"\s#.*| [<>|] .*|;.*", "", shown))


def wrong_with(words: list[str]) -> str:
    """What the command line does not know of a command; '' if nothing. Values of options are not looked at."""
    at: Any = command_line()
    path = "groundsweep"
    words = [w.split("=")[0] if w.startswith("--") else w for w in words]
    while words and hasattr(at, "commands"):
        if words[0].startswith("-"):
            break
        if words[0] not in at.commands:
            return f"{path!r} has no sub-command {words[0]!r}"
        at, path, words = at.commands[words[0]], f"{path} {words[0]}", words[1:]
    if getattr(at, "context_settings", {}).get("ignore_unknown_options"):
        return ""
    known = {"--help", *(o for p in at.params for o in (*p.opts, *p.secondary_opts))}
    unknown = [w for w in words if re.fullmatch(r"--?[A-Za-z][\w-]*", w) and w not in known]
    return f"{path!r} has no option {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_relative_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page_id(page)}: ({link}) leads to no file"
        if anchor:
            assert anchor in anchors(target), f"{page_id(page)}: ({link}): {target.name} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        assert not (wrong := wrong_with(words)), f"{page_id(page)}: {' '.join(words)}: {wrong}"


def test_the_check_of_commands_sees_what_does_not_exist() -> None:
    shown = list(commands("    $ groundsweep bench list  # what\nSay `groundsweep replay\na.h5 --all`.\n"))
    assert shown == [["bench", "list"], ["replay", "a.h5", "--all"]]
    assert list(commands("    groundsweep score a.h5 \\\n        --roc\n")) == [["score", "a.h5", "--roc"]]
    assert wrong_with(["score", "a.h5", "--roc"]) == ""
    assert "no sub-command 'scor'" in wrong_with(["scor", "a.h5"])
    assert "no sub-command 'liist'" in wrong_with(["bench", "liist"])
    assert "no option --rok" in wrong_with(["score", "a.h5", "--rok=1"])


def test_pages_that_code_and_changelog_name_exist() -> None:
    files = [
        ROOT / "CHANGELOG.md",
        *(p for d in ("detector", "firmware_host", "tests") for p in (ROOT / d).rglob("*.py")),
    ]
    named = {(f, n) for f in files if f != Path(__file__) for n in NAMED.findall(f.read_text(encoding="utf-8"))}
    assert len(named) > 20
    for file, name in sorted(named):
        assert (ROOT / name).is_file(), f"{page_id(file)} names {name}, which is not there"


def test_the_readme_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in readme, f"README.md has no link to docs/{page.name}"
