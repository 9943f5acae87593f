"""The commands that the documents show, typed on a stack of their own; what they print is what the documents show.

Times, ports, keys and column widths are of no account, and a line or a part of one that is `…` is anything.
`UPDATE_DOCUMENTS=1` writes what was printed where it differs.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import cli as tool
from tests import e2e, older_build
from tests.conftest import free_port
from tests.documents import PAGES, Example, blocks, examples
from tests.local import run, signing
from tests.local import stack as local
from tests.local.stack import ROOT
from tests.test_e2e_secrets import restart
from tests.test_story_mapping import misread, without_version

ORDER = "scalapay/it/21KLT3YDWT"
EXAMPLES = [(page, examples(page)) for page in PAGES]
# What differs from run to run, and what stands for it.
OWN = (
    # The slots of refused deliveries are chosen with a key of the stack's own.
    (r"(\bscalev/late)/\d{4}\b", r"\1/SLOT"),
    # The documents show what the default stack prints.
    (r"(?<=hookmill)( --(local(=\d+)?|stack \S+))+(?= )", ""),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"127\.0\.0\.1:\d+", "<host>"),
    (r"lambda-url/[0-9a-z]+", "lambda-url/<function>"),
    (r"(?<![\w-])[\w-]{43}(?![\w-])", "<token>"),
    (r"(?<![\w-])[0-9a-f]{12}(?![\w-])", "<key>"),
    (r"\b\d+ ms\b", "<duration>"),
    (r"(?<=\S) {2,}", "  "),
)


@dataclass
class Shell:
    """A folder with the samples, in which commands run; it knows the last exit code."""

    pipe: e2e.Pipe
    folder: Path
    code: int = 0
    # The values of `NAME=…` before a command.
    values: dict[str, str] = field(default_factory=dict)
    # What `make run` prints of one order when it has sent the samples.
    story: str = ""
    # The options that name another stack than the first one.
    place: tuple[str, ...] = ()
    # The stacks beside the first one, which end with the shell.
    stacks: ExitStack = field(default_factory=ExitStack)

    def run(self, command: str) -> list[str]:
        """Types a command and returns what it prints, notes and errors included."""
        if command == "echo $?":
            return [str(self.code)]
        words = shlex.split(command)
        own = {}
        while "=" in words[0]:
            name = words.pop(0).split("=")[0]
            own[name] = self.values[name]
        assert words[0] == "hookmill", f"only the tool is run here: {command}"
        arguments = [word for word in words[1:] if word != "--local"]
        ran = subprocess.run(
            [tool.binary(), f"--local={self.pipe.stack.port}", *self.place, *arguments],
            env=tool.environment(self.folder, **own),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=tool.SECONDS_MAX,
            check=False,
        )
        self.code = ran.returncode
        return ran.stdout.splitlines()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A stack with Scalapay's samples in it, and nothing else."""
    state, folder = tmp_path_factory.mktemp("stack"), tmp_path_factory.mktemp("documents")
    (folder / "events").symlink_to(ROOT / "events")
    binaries = Path(os.environ.get("HOOKMILL_BINARIES", local.default_binaries()))
    try:
        shell = Shell(e2e.Pipe(local.up(free_port(), state, binaries)), folder)
        sent, views, _, well = run.run(shell.pipe.stack, tool.binary(), run.cases("scalapay/*"), print)
        assert well, "the samples are not through"
        shell.story = run.story(shell.pipe.stack, tool.binary(), sent, views)
        with shell.stacks:
            yield shell
    finally:
        local.down(state)


# --- What has to be there before a block ------------------------------------


def refused_deliveries(shell: Shell) -> None:
    """Prepares a source that was added with another key than the provider's, and three deliveries of the provider."""
    shell.values["RIGHT"] = secrets.token_urlsafe(32)
    shell.values["WRONG"] = "a mistyped key"
    added = shell.run("WRONG=… hookmill sources add scalev/late --any-merchant --key-env WRONG")
    assert shell.code == 0, added
    restart(shell.pipe, "scalev")
    source = {"scheme": "signed", "signing_keys": [shell.values["RIGHT"]], "url_tokens": [], "merchants": "any"}
    for case in ("order.created.2026", "order.status_changed.2026", "payment.failed"):
        event = e2e.sample("scalev", case) | {"rawPath": "/late"}
        assert shell.pipe.send("scalev", signing.sign("scalev", event, source)).status == 401


def deploy_older_build(shell: Shell) -> None:
    """Deploys a build that took a total for cents, with the view that it left."""
    older = {id_: without_version(event) for id_, event in shell.pipe.readings("scalapay/it").items()}
    wrong = older[f"{ORDER}/created/~"] = misread(shell.pipe.read(f"{ORDER}/created/~"))
    shell.place = ("--stack", shell.stacks.enter_context(older_build.deployed(shell.pipe.stack, older)))
    shell.pipe.stack.client("sqs").send_message(
        QueueUrl=shell.pipe.stack.outputs["OrdersQueueUrl"],
        MessageBody=json.dumps(wrong),
        MessageGroupId=ORDER,
        MessageDeduplicationId="the older build",
    )
    e2e.wait_until(lambda: shell.pipe.views("scalapay", "it")[ORDER].get("total") == "4070", "the view is not wrong")


def deploy_this_build(shell: Shell) -> None:
    """Deploys the build that is tested, again."""
    shell.place = ()


BEFORE = {
    "deliveries signed with another key": refused_deliveries,
    "an older build is deployed": deploy_older_build,
    "this build is deployed": deploy_this_build,
}


# --- Comparing ---------------------------------------------------------------


def normal(line: str) -> str:
    """Returns a line without what differs from run to run."""
    for pattern, stand_in in OWN:
        line = re.sub(pattern, stand_in, line)
    return line.rstrip()


def matches(shown: tuple[str, ...] | list[str], printed: list[str]) -> bool:
    """Returns whether the printed lines are the shown ones."""
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in normal(line).split("…")) + "\n"
    return re.fullmatch(pattern, "".join(normal(line) + "\n" for line in printed)) is not None


def correct(page: Path, example: Example, printed: list[str]) -> None:
    """Writes what was printed into the page."""
    old, new = ("\n".join([f"$ {example.command}", *lines]) + "\n" for lines in (example.output, printed))
    text = page.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{example.place} cannot be found again"
    page.write_text(text.replace(old, new), encoding="utf-8")


def test_what_the_documents_show_is_printed(shell: Shell) -> None:
    wrong = []
    for page, shown in EXAMPLES:
        for example in shown:
            if example.before:
                BEFORE[example.before](shell)
            printed = shell.run(example.command)
            if not matches(example.output, printed):
                wrong.append("\n".join([f"{example.place}: $ {example.command}", *printed]))
                if os.environ.get("UPDATE_DOCUMENTS"):
                    correct(page, example, printed)
    assert not wrong, "\n\n".join(wrong)


def test_the_readme_shows_what_make_run_prints(shell: Shell) -> None:
    (block,) = [block for block in blocks(ROOT / "README.md") if block.before == "make run"]
    assert matches(block.lines, shell.story.strip("\n").splitlines()), shell.story


def test_a_body_that_is_signed_by_hand_is_kept(shell: Shell) -> None:
    (block,) = [block for page in PAGES for block in blocks(page) if block.language == "bash"]
    stack = shell.pipe.stack
    script = "\n".join(block.lines).replace(".local/stack-4566", str(stack.state)).replace("target/debug/hookmill", str(tool.binary()))
    script = script.replace("--local ", f"--local={stack.port} ")
    ran = subprocess.run(["bash", "-eu"], input=script, cwd=ROOT, env=tool.environment(shell.folder), capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and ran.stdout.splitlines()[0].split()[1] == "200", ran
    assert shell.pipe.rows("scalev", "main").keys() == {"scalev/main/BY-HAND-1/order.created/by-hand-1"}


def test_the_pages_show_commands() -> None:
    """Nothing is compared if nothing is found."""
    assert sum(len(shown) for _, shown in EXAMPLES) >= 15
    assert {example.before for _, shown in EXAMPLES for example in shown} == {"", *BEFORE}


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["1 sent"], ["1 sent"], True),
        (["1 sent"], ["2 sent"], False),
        (["1 sent"], ["1 sent", "more"], False),
        (["first", "…", "last"], ["first", "between", "last"], True),
        (["first", "…"], ["second", "first"], False),
        (["at 2026-01-01T00:00:00Z  kept"], ["at 2027-05-05T01:02:03.456Z     kept"], True),
        (["key 8dd6bd62285b"], ["key 8dd6bd62285c"], True),
        (["scalapay/it/…/created/~"], ["scalapay/it/1/created/~"], True),
        (["total  40.7 EUR"], ["total  40.8 EUR"], False),
    ],
)
def test_a_wrong_output_is_noticed(shown: list[str], printed: list[str], same: bool) -> None:
    assert matches(shown, printed) is same
