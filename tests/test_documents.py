"""The documents: what they name exists, and the habits that they promise are held."""

from __future__ import annotations

import functools
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from bench import bill
from tests import cli as tool
from tests import documents
from tests.documents import PAGES
from tests.local.stack import ROOT

PAGE_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
each_page = pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
# Programs whose options are not looked up, and why.
NOT_LOOKED_UP = {
    "aws": "the AWS CLI is not among the pinned tools; boto3 makes the same calls in the end-to-end tests",
    "cargo": "cargo's own options; what CI runs of them it runs",
    "git": "git's own",
    "npm": "the TypeScript example's tools are not installed here",
    "python3": "scripts of this repository, each with a test of its own",
    "python": "the polling example, which tests/test_consumers.py runs",
    "pytest": "the tests themselves",
    "cat": "shows a file",
    "zstd": "not among the pinned tools; bench and tests read the same frames with a library",
}
# Code whose names the documents may use.
SOURCES = [path for folder in ("shared", "functions", "cli", "tests", "bench") for path in sorted((ROOT / folder).rglob("*.rs")) if "target" not in path.parts]


@functools.cache
def rust() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)


@functools.cache
def python() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in documents.LINK.findall(documents.prose(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in documents.anchors(file)):
            broken.append(target)
    assert broken == []


def is_path(code: str) -> bool:
    """Returns whether a piece of code in the text is a path of this repository."""
    first = code.split("/")[0]
    return "/" in code and re.fullmatch(r"[\w.\-/*]+", code) is not None and (ROOT / first).exists() and first != ".local"


# The changelog names what was, which may be gone.
@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_exist(page: Path) -> None:
    names = [code for code in documents.CODE.findall(documents.prose(page)) if is_path(code.rstrip("/"))]
    generated = ("target/",)
    missing = [name for name in names if not name.startswith(generated) and not list(ROOT.glob(name.rstrip("/")))]
    assert missing == []


def exists_in_rust(name: str) -> bool:
    """Returns whether a Rust path's last part is defined anywhere, and the one before is a module, type or crate."""
    *before, last = name.split("::")
    defined = re.search(rf"\b(?:fn|mod|struct|enum|const|static|type|trait)\s+{last}\b", rust())
    variant = re.search(rf"^\s+{last}\b", rust(), re.MULTILINE) if last[0].isupper() else None
    file = any(path.stem == last or path.parent.name == last for path in SOURCES)
    if not (defined or variant or file):
        return False
    if not before or before[-1] in ("suite", "tests", "crate"):
        return True
    parent = before[-1]
    return any(parent in (path.stem, *path.relative_to(ROOT).parts) for path in SOURCES) or f" {parent} " in rust()


@each_page
def test_names_of_code_and_tests_exist(page: Path) -> None:
    missing = []
    for code in documents.CODE.findall(documents.prose(page)):
        if found := re.fullmatch(r"(?:tests/)?(test_\w+\.py)::(\w+)", code):
            file = ROOT / "tests" / found[1]
            if not (file.exists() and re.search(rf"\bdef {found[2]}\b", file.read_text(encoding="utf-8"))):
                missing.append(code)
        elif re.fullmatch(r"[a-z_]+(::\w+)+", code):
            if not exists_in_rust(code):
                missing.append(code)
        elif re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+){3,}", code):
            if not (re.search(rf"\bfn {code}\b", rust()) or re.search(rf"\bdef {code}\b", python())):
                missing.append(code)
    assert missing == []


@each_page
def test_a_line_is_a_sentence(page: Path) -> None:
    two = []
    for line in documents.prose(page).splitlines():
        if line.startswith(("|", "#", "<!--")):
            continue
        for found in re.finditer(r"(?<!\be\.g)(?<!\bi\.e)\. (?=[A-Z])", line):
            if not line[: found.start()].strip().isdigit():
                two.append(line)
    assert two == []


# --- Event types -----------------------------------------------------------

# What a reader may copy: pages, help, the template, and the examples. The changelog names types that may be gone.
COPIED = [
    *(page for page in PAGES if page.name != "CHANGELOG.md"),
    documents.REFERENCE,
    ROOT / "template.yaml",
    ROOT / "cli/examples.txt",
    *sorted(path for path in (ROOT / "examples").rglob("*") if path.suffix in (".py", ".mts", ".rs", ".yaml", ".md") and not {"node_modules", "target"} & set(path.parts)),
]


@functools.cache
def event_types() -> set[str]:
    """Returns the vocabulary, from the schema of the contract."""
    schema = json.loads((ROOT / "shared/webhook/event.schema.json").read_text(encoding="utf-8"))
    return {each["const"] for each in schema["$defs"]["EventType"]["oneOf"] if "const" in each}


@functools.cache
def words_of_providers() -> set[str]:
    """Returns the providers' own names of events, as the samples have them."""
    readings = (ROOT / "events").rglob("*.event.json")
    return {json.loads(file.read_text(encoding="utf-8")).get("providerevent") for file in readings}


def unknown_types(text: str) -> set[str]:
    """Returns the words in a text that have the form of an event type and are not in the vocabulary.

    The first part is a type's, and the word is neither a part of a longer name nor a file.
    """
    families = {name.split(".")[0] for name in event_types() if "." in name}
    words = re.findall(rf"(?<![\w./\-])({'|'.join(sorted(families))})\.([a-z_]+)(?![\w(/]|\.\w)", text)
    named = {f"{family}.{rest}" for family, rest in words if rest not in ("rs", "py", "json", "md")}
    return named - event_types()


@pytest.mark.parametrize("file", COPIED, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_event_type_that_is_named_exists(file: Path) -> None:
    assert unknown_types(file.read_text(encoding="utf-8")) - words_of_providers() == set()


def test_the_page_of_events_lists_every_type() -> None:
    section = (ROOT / "docs/events.md").read_text(encoding="utf-8").split("\n## Types\n")[1].split("\nMoney that")[0]
    listed = set(re.findall(r"`([a-z]+)`", section))
    for family, rest in re.findall(r"`([a-z]+)\.` ([a-z_, ]+);", section):
        listed |= {f"{family}.{word}" for word in rest.split(", ")}
    assert listed == event_types()


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("such as `order.paid,payment.*`", {"order.paid"}),
        ("order.created, payment.captured and refund.made", set()),
        ("`payment.payed`", {"payment.payed"}),
        ("order.rs, order.id() and shop.order.paid", set()),
    ],
)
def test_an_event_type_that_does_not_exist_is_noticed(text: str, unknown: set[str]) -> None:
    assert unknown_types(text) == unknown


def shown(document: str) -> dict:
    """Returns the message that a document has as its example."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return json.loads('{\n  "specversion"' + text.split('```json\n{\n  "specversion"', 1)[1].split("```", 1)[0])


def test_the_documents_show_a_recorded_event() -> None:
    """Its mapping version too, which rises with the mappings."""
    event = json.loads((ROOT / "events/scalev/order.payment_status_changed.paid.event.json").read_text(encoding="utf-8"))
    assert shown("docs/events.md") == event
    shortened = shown("README.md")
    data = shortened.pop("data")
    assert shortened.items() <= event.items()
    assert data.items() <= event["data"].items()
    scalev = (ROOT / "shared/webhook/src/providers/scalev/mod.rs").read_text(encoding="utf-8")
    (version,) = re.findall(r"\bmapping_version: (\d+),", scalev)
    assert event["mappingversion"] == int(version)


def test_the_glossary_is_sorted_and_has_the_words_of_the_other_pages() -> None:
    words = re.findall(r"^\| ([a-z ]+) \| (?!meaning)", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert words == sorted(words)
    assert {"ledger", "origin", "reading", "register", "sample"} <= set(words)


# --- Commands --------------------------------------------------------------


@functools.cache
def usage(*words: str) -> str:
    """Returns the help of the tool or one of its commands."""
    ran = subprocess.run([tool.binary(), *words, "--help"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@functools.cache
def subcommands(*words: str) -> set[str]:
    section = re.search(r"^Commands:\n((?:  .*\n|\n)+)", usage(*words), re.MULTILINE)
    return set(re.findall(r"^  (\w[\w-]*)", section[1], re.MULTILINE)) if section else set()


def unknown_to_the_tool(words: list[str]) -> list[str]:
    """Returns the commands and options in these words, which follow `hookmill`, that the tool does not have."""
    path: list[str] = []
    wrong = []
    for word in words:
        if word.startswith("-"):
            option = word.split("=")[0]
            if re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", usage(*path)) is None:
                wrong.append(" ".join([*path, option]))
        elif word in subcommands(*path):
            path.append(word)
        elif subcommands(*path) and re.fullmatch(r"[a-z]+", word) and not path:
            wrong.append(word)
    return wrong


@functools.cache
def sam_usage(command: str) -> str:
    sam = Path(sys.executable).with_name("sam")
    return subprocess.run([sam, command, "--help"], capture_output=True, text=True, check=True).stdout


@functools.cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@each_page
def test_commands_and_options_exist(page: Path) -> None:
    wrong = []
    for place, command in documents.commands(page):
        try:
            words = shlex.split(command, comments=True)
        except ValueError:
            continue
        while words and re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        match words:
            case ["hookmill" | "target/debug/hookmill", *rest]:
                wrong += [f"{place}: hookmill {each}" for each in unknown_to_the_tool(rest)]
            case ["make", *rest]:
                named = [word for word in rest if re.fullmatch(r"[a-z][a-z-]*", word)]
                wrong += [f"{place}: make {each}" for each in named if each not in targets()]
            case ["sam", action, *rest]:
                options = [word for word in rest if word.startswith("--")]
                wrong += [f"{place}: sam {each}" for each in options if each not in sam_usage(action)]
    assert wrong == []


def test_every_block_is_run_or_accounted_for() -> None:
    """A block of commands is run as a console, or its commands are of programs that are looked up or listed above."""
    known = {"hookmill", "make", "sam", "export", "cd", "echo", "out", *NOT_LOOKED_UP}
    strange = []
    for page in PAGES:
        for block in documents.blocks(page):
            assert block.language, f"{block.place} does not say what it is"
            if block.language != "sh":
                continue
            for place, command in documents.commands(page):
                if place == block.place and command:
                    bare = re.sub(r"^([A-Z_]+=(\"[^\"]*\"|\S*)\s+)+", "", command)
                    program = Path(bare.split()[0]).name
                    if program not in known and not re.match(r"#|[A-Z_]+=\S*$", command):
                        strange.append(f"{place}: {command}")
    assert strange == []


# --- Habits ----------------------------------------------------------------


def test_the_documents_stay_short() -> None:
    lines = {page.name: len(page.read_text(encoding="utf-8").splitlines()) for page in PAGES}
    assert lines["README.md"] <= 150
    assert lines["ARCHITECTURE.md"] <= 180
    # A changelog only grows.
    assert sum(count for name, count in lines.items() if name != "CHANGELOG.md") <= 1600


def test_workspace_template_and_changelog_have_one_version() -> None:
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    template = yaml_parse((ROOT / "template.yaml").read_text())
    assert template["Outputs"]["Version"]["Value"] == version
    changes = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert changes[0] == "Unreleased"
    # The first release is the one that is being prepared.
    assert not changes[1:] or changes[1].split()[0] == version
    for manifest in [*ROOT.glob("shared/*/Cargo.toml"), *ROOT.glob("functions/*/Cargo.toml"), ROOT / "cli/Cargo.toml"]:
        assert tomllib.loads(manifest.read_text())["package"]["version"] == {"workspace": True}, manifest


def test_ci_calls_the_make_targets_of_make_test() -> None:
    workflow = yaml_parse((ROOT / ".github/workflows/ci.yml").read_text())
    called = set(workflow["jobs"]["make"]["strategy"]["matrix"]["target"])
    makefile = (ROOT / "Makefile").read_text()
    (recipe,) = re.findall(r"^test:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    of_test = re.findall(r"\$\(MAKE\) --no-print-directory ([a-z-]+)", recipe)
    assert of_test and called == {"lint", *of_test}
    assert called | {"advisories"} <= targets()


def test_the_pull_request_checklist_is_that_of_contributing() -> None:
    boxes = re.findall(r"^- \[ \] (.+)$", (ROOT / ".github/pull_request_template.md").read_text(), re.MULTILINE)
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert boxes
    assert [box for box in boxes if f"- {box}" not in contributing.splitlines()] == []


def test_the_fixed_costs_are_those_of_the_bill() -> None:
    prices = json.loads((bill.HERE / "prices.json").read_text())
    page = (ROOT / "docs/measurements.md").read_text(encoding="utf-8")
    costs = bill.fixed_costs(prices)
    assert [what for what, dollars in costs.items() if f"| {what} | {dollars:.2f} |" not in page] == []
    assert f"about ${sum(costs.values()):.0f} in all" in page
