"""The developer's loop: `make test` compiles nothing that `make run` has compiled, and `make run` says what it costs."""

from __future__ import annotations

import subprocess
import tomllib
from collections import defaultdict

import pytest

from tests.local.ministack import ROOT

# Dependencies by name and version, with the sets of features that they are compiled with: one for the build's own
# tools, one for what is built, where the two differ.
Compiled = dict[str, set[frozenset[str]]]


@pytest.fixture(scope="module")
def selection() -> list[str]:
    """The arguments by which `make binaries` selects packages."""
    (command,) = (line.split() for line in dry_run("binaries") if line.startswith("cargo build"))
    return [word for flag, package in zip(command, command[1:]) if flag == "-p" for word in (flag, package)]


def dry_run(target: str) -> list[str]:
    """Returns the commands that a target runs."""
    ran = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


def compiled(members: set[str], *arguments: str) -> Compiled:
    """Returns the dependencies of a selection of packages, without the members of the workspace."""
    command = ["cargo", "tree", "--offline", "--locked", "--prefix", "none", "--format", "{p}|{f}", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: Compiled = defaultdict(set)
    # The other lines are heads, such as "[dev-dependencies]".
    for line in (line for line in ran.stdout.splitlines() if "|" in line):
        package, features = line.removesuffix(" (*)").split("|")
        if package.split()[0] not in members:
            found[package].add(frozenset(filter(None, features.split(","))))
    return found


def missing(first: Compiled, again: Compiled) -> list[str]:
    """Returns what has to be named so that nothing in `again` is compiled with other features than in `first`."""
    lines = []
    for package, sets in first.items():
        for features in sets - again[package]:
            more = sorted(frozenset().union(*again[package]) - features)
            lines.append(f"{package}: {', '.join(more) or 'features that nothing else asks for'}")
    return sorted(lines)


def package_names(pattern: str) -> set[str]:
    """Returns the names of the packages whose manifests match a pattern."""
    return {tomllib.loads(file.read_text())["package"]["name"] for file in ROOT.glob(pattern)}


def test_tests_compile_no_dependency_again(selection: list[str]) -> None:
    """A feature that is named here belongs into tests/features/Cargo.toml."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    members = set().union(*(package_names(f"{member}/Cargo.toml") for member in manifest["workspace"]["members"]))
    run = compiled(members, *selection, "--edges", "normal,build")
    test = compiled(members, "--workspace", "--edges", "all")
    assert len(run) > 100 and run.keys() <= test.keys()
    assert missing(run, test) == []


def test_a_missing_feature_is_named() -> None:
    plain, more = frozenset({"std"}), frozenset({"std", "serde"})
    assert missing({"a v1": {plain}}, {"a v1": {more}}) == ["a v1: serde"]
    assert missing({"a v1": {plain}}, {"a v1": {plain, more}}) == []


def test_every_function_is_built(selection: list[str]) -> None:
    assert set(selection) - {"-p"} == package_names("functions/*/Cargo.toml") | {"hookmill", "features"}


def test_a_run_says_what_it_costs() -> None:
    ran = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = (line for line in ran.stdout.splitlines() if line.startswith("  make run "))
    assert "minutes" in line
    (first_time,) = (line for line in dry_run("run") if "first time" in line)
    assert "minutes" in first_time and "GB of disk" in first_time
