"""The project's documents as their tests read them: links, code in the text, and blocks of commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.local.stack import ROOT

REFERENCE = ROOT / "docs/reference.md"
# The pages that a visitor reads, except the tool's reference, which is made of its help.
PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path != REFERENCE),
]
LINK = re.compile(r"(?<!!)!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, where it begins, and the comment before it."""

    page: Path
    line: int
    language: str
    lines: tuple[str, ...]
    before: str = ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Example:
    """A command of a console block and the lines that it is shown to print."""

    place: str
    command: str
    output: tuple[str, ...]
    before: str = ""


def blocks(page: Path) -> Iterator[Block]:
    """Returns the fenced blocks of a page, in their order."""
    fence = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
    text = page.read_text(encoding="utf-8")
    for found in fence.finditer(text):
        before = re.search(r"<!-- (?:before|printed by): (.*?) -->\n$", text[: found.start()])
        line = text[: found.start()].count("\n") + 1
        yield Block(page, line, found[1], tuple(found[2].splitlines()), before[1] if before else "")


def prose(page: Path) -> str:
    """Returns a page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def examples(page: Path) -> list[Example]:
    """Returns the commands of a page's console blocks with their output; a comment belongs to the command after it."""
    found: list[Example] = []
    for block in blocks(page):
        if block.language != "console":
            continue
        starts = [number for number, line in enumerate(block.lines) if line.startswith("$ ")]
        for start, end in zip(starts, [*starts[1:], len(block.lines)]):
            before = block.before if start == starts[0] else ""
            place = f"{page.relative_to(ROOT)}:{block.line + 1 + start}"
            found.append(Example(place, block.lines[start][2:], block.lines[start + 1 : end], before))
    return found


def anchors(page: Path) -> set[str]:
    """Returns the names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> Iterator[tuple[str, str]]:
    """Returns every command that a page shows, in blocks or in its text, and where."""
    for block in blocks(page):
        if block.language in ("sh", "console"):
            joined = re.sub(r" *\\\n *", " ", "\n".join(block.lines))
            for line in joined.splitlines():
                if re.match(r"\w+\(\) ", line):
                    continue
                if block.language == "sh" or line.startswith("$ "):
                    for command in re.split(r"\s&&\s|\s\|\s|;\s", line.removeprefix("$ ").split("  #")[0].strip()):
                        yield block.place, command
    for code in CODE.findall(prose(page)):
        yield str(page.relative_to(ROOT)), code
