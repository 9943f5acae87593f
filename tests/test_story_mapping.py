"""A mistake in a mapping, found and fixed: what `docs/operations.md` describes, on the deployed stack.

The older build is simulated by a reader that answers as it did, and by its message on the orders queue, in which an
amount is in the wrong unit and a time far ahead.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import e2e, older_build
from tests.cli import Cli
from tests.local import run

SOURCE = "scalapay/it-story"
ORDER = f"{SOURCE}/21KLT3YDWT"
CASES = ("created", "authorized.after_created", "refunded")
VERSION = json.loads((run.EVENTS / "scalapay/created.event.json").read_text(encoding="utf-8"))["mappingversion"]


@pytest.fixture(scope="module")
def sent(cli: Cli, pipe: e2e.Pipe) -> list[str]:
    """The ids of a payment's events, once they have been through both queues."""
    return cli.send(pipe, CASES, SOURCE)


def misread(event: dict) -> dict:
    """Returns the event as a build read it that took the total for cents and the time for one far ahead."""
    event = json.loads(json.dumps(event)) | {"mappingversion": 0}
    event["data"]["totals"]["total"]["amount"] = "4070"
    event["sequence"] = f"3.{2**64 - 1:020}.{0:020}.00000.00000.0000000000000000"
    return event


def without_version(event: dict) -> dict:
    """Returns the event under the older mapping's number, read as it is."""
    place, _version, body = event["sequence"].rsplit(".", 2)
    return event | {"mappingversion": 0, "sequence": f"{place}.00000.{body}"}


@pytest.fixture(scope="module")
def older(pipe: e2e.Pipe, sent: list[str]) -> dict[str, dict]:
    """The older build's readings by event id; the order's view has them as well."""
    events = pipe.readings(SOURCE)
    assert events.keys() == set(sent)
    older = {id_: misread(event) if id_ == sent[0] else without_version(event) for id_, event in events.items()}
    pipe.stack.client("sqs").send_message(
        QueueUrl=pipe.stack.outputs["OrdersQueueUrl"],
        MessageBody=json.dumps(older[sent[0]]),
        MessageGroupId=pipe.received()[sent[0]][0].group,
        MessageDeduplicationId="the older build",
    )
    e2e.wait_until(lambda: pipe.views("scalapay", "it-story")[ORDER].get("total") == "4070", "the view is not wrong")
    return older


def test_the_story(cli: Cli, pipe: e2e.Pipe, sent: list[str], older: dict[str, dict], tmp_path: Path) -> None:
    plan, run_file = tmp_path / "plan.jsonl", tmp_path / "corrections.jsonl"
    # What would change, field by field.
    with older_build.deployed(pipe.stack, older) as name:
        lines = cli.json("--stack", name, "reread", "--source", SOURCE, "--out", str(plan))
    changes = {line["field"]: line["examples"] for line in lines[:-1]}
    assert set(changes) == {"data.totals.total.amount", "sequence"}
    assert changes["data.totals.total.amount"] == [{"id": sent[0], "old": "4070", "new": "40.7"}]
    assert (lines[-1]["events"], lines[-1]["changed"], lines[-1]["sequence_changes"]) == (3, 1, 1)
    # The fixed build is the one that is deployed.
    (totals,) = cli.json("reread", "--source", SOURCE)
    assert (totals["events"], totals["changed"], totals["mappings"]) == (3, 0, {"scalapay": [[VERSION, VERSION]]})
    # First what would be done, then doing it.
    assert cli.json("reread", "publish", str(plan)) == [{"queue": "work", "type": "payment.created", "events": 1}]
    published = cli.json("reread", "publish", str(plan), "--yes", "--run-file", str(run_file))
    assert [line.get("outcome") for line in published] == ["sent", "rebuilt", None]
    correction_id = f"{sent[0]};v{VERSION}"
    correction = pipe.wait_for_messages([correction_id])[correction_id]
    earlier = pipe.received()[sent[0]][0]
    assert correction.event == earlier.event | {"id": correction_id, "correctionof": sent[0]}
    assert correction.group == earlier.group
    assert correction.deduplication == e2e.sha256(correction_id.encode()).hex()
    # The view is right again, though what was wrong in it stood far ahead.
    assert pipe.views("scalapay", "it-story")[ORDER]["total"] == "40.7"
    assert "18446744073709551615" not in pipe.views("scalapay", "it-story")[ORDER]["view"]
    assert cli.run("orders", "show", ORDER).code == 0
    # The reader knows the correction by its own id, by which a large one would be fetched.
    assert pipe.read(correction_id) == correction.event
    # Again nothing is left to be done.
    (again,) = cli.json("reread", "publish", "--resume", str(run_file), "--yes")
    assert (again["orders"], again["same"]) == (1, 1)
    assert pipe.dead_letters()["OrdersDeadLetterQueueUrl"] == 0


def test_a_version_that_was_not_raised_is_refused(
    cli: Cli, pipe: e2e.Pipe, older: dict[str, dict], tmp_path: Path
) -> None:
    plan = tmp_path / "plan.jsonl"
    same = {id_: event | {"mappingversion": VERSION} for id_, event in older.items()}
    with older_build.deployed(pipe.stack, same) as name:
        ran = cli.run("--stack", name, "reread", "--source", SOURCE, "--out", str(plan))
    assert (ran.code, "raise it before corrections are published" in ran.err) == (0, True), ran
    ran = cli.run("reread", "publish", str(plan))
    assert (ran.code, "version was not raised" in ran.err) == (2, True), ran


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("reread", "publish", "README.md"), 2, "is not a plan's"),
        (("reread", "publish", "nowhere.jsonl"), 2, "cannot be read"),
        (("orders", "rebuild"), 2, "not said which orders"),
        (("orders", "rebuild", "nonsense"), 2, "not an order's id"),
    ],
)
def test_what_cannot_be_done_is_reported(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    ran = cli.run(*arguments)
    assert (ran.code, message in ran.err, ran.out) == (code, True, ""), ran
