"""Dependencies: from one registry, under known licences, none of the old stacks, none unused."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MANIFESTS = [*ROOT.glob("shared/*/Cargo.toml"), *ROOT.glob("functions/*/Cargo.toml"), ROOT / "cli/Cargo.toml"]


@pytest.fixture(scope="module")
def metadata() -> dict:
    """The packages that cargo resolved, dev-dependencies included."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


@pytest.fixture(scope="module")
def rules() -> dict:
    """The rules that cargo-deny reads too."""
    return tomllib.loads((ROOT / "deny.toml").read_text())


def accepts(allowed: set[str], expression: str) -> bool:
    """Returns whether an SPDX expression can be met with allowed licences. `/` is an old spelling of OR."""
    text = expression.replace("/", " OR ")
    words = re.sub(r"[A-Za-z0-9.\-]+(?: WITH [A-Za-z0-9.\-]+)?", lambda word: spell(allowed, word[0]), text)
    return bool(eval(words, {"__builtins__": {}}))  # noqa: S307 - only True, False, and, or, brackets are left


def spell(allowed: set[str], word: str) -> str:
    """Returns a licence as a truth value, an operator as Python's."""
    if word in ("AND", "OR"):
        return word.lower()
    return str(word.split(" WITH ")[0] in allowed)


def test_licences_are_known(metadata: dict, rules: dict) -> None:
    allowed = set(rules["licenses"]["allow"])
    theirs = [package for package in metadata["packages"] if package["source"]]
    strange = [
        (package["name"], package["license"])
        for package in theirs
        if not accepts(allowed, package["license"] or "unknown")
    ]
    assert len(theirs) > 100
    assert strange == []


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [("MIT", True), ("GPL-3.0", False), ("GPL-3.0 OR MIT", True), ("GPL-3.0 AND MIT", False), ("GPL-3.0/MIT", True),
     ("(MIT OR GPL-3.0) AND Zlib", True), ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", True)],
)
def test_expressions_are_understood(expression: str, accepted: bool) -> None:
    assert accepts({"MIT", "Zlib", "Apache-2.0"}, expression) is accepted


def test_everything_comes_from_the_registry(metadata: dict) -> None:
    sources = {package["source"] for package in metadata["packages"] if package["source"]}
    assert all(source.startswith("registry+") for source in sources), sources
    assert len(sources) == 1


def test_banned_crates_stay_out(metadata: dict, rules: dict) -> None:
    banned = [entry["crate"] for entry in rules["bans"]["deny"]]
    there = {f"{package['name']}@{package['version']}" for package in metadata["packages"]}
    found = [ban for ban in banned for crate in there if crate == ban or crate.startswith((f"{ban}.", f"{ban}@"))]
    assert found == []


def test_functions_are_built_without_what_only_the_tool_needs() -> None:
    """Cargo gives what is built together the same features: `make package` leaves the tool out."""
    apart = ["--workspace", "--exclude", "hookmill", "--exclude", "stack", "--exclude", "simulator", "--exclude", "bench"]
    (line,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if "cargo lambda build" in line]
    assert line.endswith(" ".join(apart))
    command = ["cargo", "tree", "--locked", "--edges", "normal,features", "--prefix", "none", *apart]
    built = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    of_the_tool = [line for line in built.splitlines() if line.startswith(("aws-sdk-sso", "aws-sdk-cloudf", "clap"))]
    assert of_the_tool == []


def test_every_dependency_is_used() -> None:
    unused = []
    for manifest in MANIFESTS:
        parsed = tomllib.loads(manifest.read_text())
        files = list(manifest.parent.rglob("*.rs"))
        # Tests may share another crate's harness.
        files += [file.parent / path for file in files for path in re.findall(r'#\[path = "(\.\.[^"]+)"\]', file.read_text())]
        code = "".join(path.read_text() for path in files)
        for name in [*parsed.get("dependencies", {}), *parsed.get("dev-dependencies", {})]:
            imported = {"dynoxide-rs": "dynoxide"}.get(name, name.replace("-", "_"))
            if not re.search(rf"\b{imported}(::|\b)", code):
                unused.append(f"{manifest.parent.name}: {name}")
    assert unused == []


def test_versions_are_declared_once() -> None:
    inherited = re.compile(r'^[\w-]+(\.workspace = true|\.workspace=true)|^\[|^$|workspace = true|^(name|path|description|harness|required-features) = |^#|^[a-z]+ = \[\]$|path = "\."')
    for manifest in MANIFESTS:
        other = [line for line in manifest.read_text().splitlines() if not inherited.search(line)]
        assert other == [], manifest
