"""The words that the project does not use, counted by folder: the numbers in `words.json` may only shrink.

    python -m tests.test_words          prints the lines that have one, and lowers the numbers
    python -m tests.test_words anew     prints those of one word
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ALLOWED = ROOT / "tests" / "words.json"
RULES = tomllib.loads((ROOT / "tests" / "words.toml").read_text(encoding="utf-8"))
WORDS = {name: re.compile(rule["pattern"]) for name, rule in RULES["words"].items()}
BEGINNINGS = {name: re.compile(rule["pattern"]) for name, rule in RULES["beginnings"].items()}
READ = (".rs", ".py", ".md", ".toml", ".yaml", ".yml", ".mts", "Makefile")
# Texts of providers, the rules themselves, and a page that is made of texts counted elsewhere.
NOT_OURS = ("events/", "shared/platforms/tests/responses/", "tests/words.toml", "tests/test_words.py", "docs/reference.md", ".typos.toml", "bench/peers/node/node_modules/")
DOCUMENTS = re.compile(r'^\s*(?://[/!] |(?:[rf]*)""")(.*)')


def files() -> Iterator[Path]:
    """The tracked text that people write and read."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.splitlines():
        if name.endswith(READ) and (not name.startswith(NOT_OURS) or name.endswith("README.md")):
            if (ROOT / name).is_file():
                yield Path(name)


def folder(file: Path) -> str:
    """The part of the project that a file belongs to."""
    depth = 2 if file.parts[0] in ("shared", "functions") else 1
    return "/".join(file.parts[:depth]) if len(file.parts) > 1 else "root"


def hits(text: str) -> Iterator[tuple[int, str]]:
    """The numbers of lines and the words that they have."""
    documented = False
    for number, line in enumerate(text.splitlines(), 1):
        for name, pattern in WORDS.items():
            yield from ((number, name) for _ in pattern.finditer(line))
        found = DOCUMENTS.match(line)
        # Only the first line of a comment: the others may begin with any word of a sentence.
        if found and not documented:
            yield from ((number, name) for name, pattern in BEGINNINGS.items() if pattern.match(found[1]))
        documented = found is not None


def counted() -> dict[str, dict[str, int]]:
    """Counts each word in each folder."""
    counts = {name: Counter() for name in (*WORDS, *BEGINNINGS)}
    for file in files():
        for _, name in hits((ROOT / file).read_text(encoding="utf-8")):
            counts[name][folder(file)] += 1
    return {name: dict(sorted(by_folder.items())) for name, by_folder in counts.items() if by_folder}


def test_words_only_become_fewer() -> None:
    allowed = json.loads(ALLOWED.read_text(encoding="utf-8"))
    more = {
        f"{word} in {where}": f"{count} instead of {allowed.get(word, {}).get(where, 0)}"
        for word, by_folder in counted().items()
        for where, count in by_folder.items()
        if count > allowed.get(word, {}).get(where, 0)
    }
    assert more == {}, "python -m tests.test_words prints the lines; tests/words.toml has what to say instead"


def test_hits_are_found() -> None:
    text = '/// What it is.\n/// Where more is said.\nfn a() {}\n\n"""Whether it stands."""\nthere is no way; it is no way'
    assert list(hits(text)) == [
        (1, "What, Whether, Where, How, Why"),
        (5, "stands"),
        (5, "What, Whether, Where, How, Why"),
        (6, "is no X"),
    ]


def main(words: list[str]) -> None:
    """Prints every hit, then writes the numbers where they shrank."""
    for file in files():
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        for number, name in hits("\n".join(lines)):
            if not words or any(word in name for word in words):
                print(f"{file}:{number}: {name}: {lines[number - 1].strip()}")
    allowed = json.loads(ALLOWED.read_text(encoding="utf-8")) if ALLOWED.exists() else None
    found = counted()
    if allowed is not None:
        found = {
            word: {where: min(count, allowed.get(word, {}).get(where, 0)) for where, count in by_folder.items()}
            for word, by_folder in found.items()
        }
        found = {word: {where: count for where, count in by.items() if count} for word, by in found.items()}
    ALLOWED.write_text(json.dumps({word: by for word, by in found.items() if by}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
