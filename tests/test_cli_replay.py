"""`hookmill replay`: kept events onto the deployed stack's queues again."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests import e2e
from tests.cli import Cli

SOURCE = "scalapay/it-replay"
# Each has a type that an order's view is made of.
CASES = ("created", "authorized", "charged", "refunded")


@pytest.fixture(scope="module")
def sent(cli: Cli, pipe: e2e.Pipe) -> list[str]:
    """The ids of some payments, once they have been through both queues."""
    ids = []
    for case in CASES:
        (line,) = cli.json("send", f"events/scalapay/{case}.json", "--source", SOURCE)
        ids.append(line["id"])
    pipe.wait_for_messages(ids)
    pipe.wait_for_views()
    return ids


def drain(pipe: e2e.Pipe) -> None:
    """Takes everything off WorkQueue that is on its way."""
    while pipe.receive():
        pass


def of_id(pipe: e2e.Pipe, event_id: str) -> list[e2e.Message]:
    """Returns the messages of one event so far."""
    return pipe.received().get(event_id, [])


def test_without_yes_nothing_is_sent(cli: Cli, pipe: e2e.Pipe, sent: list[str]) -> None:
    drain(pipe)
    lines = cli.json("replay", "--source", SOURCE, "--type", "payment.*")
    assert {line["queue"] for line in lines} == {"work"}
    assert sum(line["events"] for line in lines) >= len(sent)
    assert pipe.receive() == []


def test_an_event_comes_again_under_its_id(cli: Cli, pipe: e2e.Pipe, sent: list[str], tmp_path: Path) -> None:
    event_id, file = sent[0], tmp_path / "run.jsonl"
    earlier = of_id(pipe, event_id)
    (line,) = cli.json("replay", event_id, "--yes", "--run-file", str(file))
    assert (line["id"], line["queue"], line["outcome"]) == (event_id, "work", "sent")
    e2e.wait_until(
        lambda: pipe.receive() is not None and len(of_id(pipe, event_id)) > len(earlier), "the event did not come again"
    )
    again = of_id(pipe, event_id)[-1]
    assert again.event == earlier[0].event | {"replay": True}
    assert again.group == earlier[0].group
    assert again.deduplication not in {message.deduplication for message in earlier}
    kinds = [next(iter(json.loads(text))) for text in file.read_text(encoding="utf-8").splitlines()]
    assert kinds == ["replay", "planned", "sent"]
    # What a run has sent it does not send again.
    assert cli.json("replay", "--resume", str(file), "--yes") == []


def test_the_views_stay_as_they_are(cli: Cli, pipe: e2e.Pipe, sent: list[str], tmp_path: Path) -> None:
    before, dead = pipe.views("scalapay", "it-replay"), pipe.dead_letters()
    assert before
    lines = cli.json(
        "replay", "--source", SOURCE, "--queue", "orders", "--yes", "--run-file", str(tmp_path / "run.jsonl")
    )
    assert {line["outcome"] for line in lines} == {"sent"}
    assert set(sent) <= {line["id"] for line in lines}
    pipe.wait_for_views()
    assert pipe.views("scalapay", "it-replay") == before
    assert pipe.dead_letters() == dead


def test_ctrl_c_ends_cleanly_and_the_run_goes_on(cli: Cli, pipe: e2e.Pipe, sent: list[str], tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    drain(pipe)
    before = {event_id: len(messages) for event_id, messages in pipe.received().items()}
    process = cli.start("--json", "replay", "--source", SOURCE, "--rate", "1", "--yes", "--run-file", str(file))
    assert process.stdout
    first = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    sent_ids = [first["id"], *(json.loads(line)["id"] for line in out.splitlines())]
    recorded = [json.loads(text) for text in file.read_text(encoding="utf-8").splitlines()]
    assert [line["sent"]["id"] for line in recorded if "sent" in line] == sent_ids
    planned = [line["planned"]["id"] for line in recorded if "planned" in line]
    assert set(sent) <= set(planned)
    rest = cli.json("replay", "--resume", str(file), "--yes")
    assert sent_ids + [line["id"] for line in rest] == planned
    drain(pipe)
    assert {name: len(of_id(pipe, name)) - before.get(name, 0) for name in planned} == dict.fromkeys(planned, 1)


def test_a_parked_event_is_listed_and_sent_back(cli: Cli, pipe: e2e.Pipe, sent: list[str]) -> None:
    queue = pipe.stack.outputs["RelayDeadLetterQueueUrl"]
    dead_letter = {"queue": pipe.stack.outputs["WorkQueueUrl"], "id": sent[0], "reason": "AccessDenied: no"}
    dead = pipe.dead_letters()
    pipe.stack.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(dead_letter))
    for _ in range(2):
        # What was looked at is there again at once.
        lines = cli.json("dlq", "list", "--queue", "relay")
        assert [line["reason"] for line in lines if line["id"] == sent[0]] == ["AccessDenied: no"]
    (shown,) = cli.json("dlq", "show", sent[0])
    assert json.loads(shown["body"]) == dead_letter
    (due,) = cli.json("dlq", "redrive", "--queue", "relay", "--letter", sent[0])
    assert (due["outcome"], due["to"]) == ("due", "work")
    drain(pipe)
    earlier = of_id(pipe, sent[0])
    (line,) = cli.json("dlq", "redrive", "--queue", "relay", "--letter", sent[0], "--yes")
    assert line["outcome"] == "sent"
    drain(pipe)
    again = of_id(pipe, sent[0])
    assert len(again) == len(earlier) + 1
    assert (again[-1].event, again[-1].group) == (earlier[0].event, earlier[0].group)
    assert pipe.dead_letters() == dead


def test_a_parked_event_that_was_forgotten_stays(cli: Cli, pipe: e2e.Pipe, tmp_path: Path) -> None:
    source = "scalev/main-replay"
    (event_id,) = cli.send(pipe, ["order.created.2026"], source)
    cli.json("forget", "order", event_id, "--yes", "--run-file", str(tmp_path / "run.jsonl"))
    client, queue = pipe.stack.client("sqs"), pipe.stack.outputs["RelayDeadLetterQueueUrl"]
    dead_letter = {"queue": pipe.stack.outputs["WorkQueueUrl"], "id": event_id, "reason": "AccessDenied: no"}
    dead, earlier = pipe.dead_letters(), len(of_id(pipe, event_id))
    client.send_message(QueueUrl=queue, MessageBody=json.dumps(dead_letter))
    try:
        ran = cli.run("--json", "dlq", "redrive", "--queue", "relay", "--letter", event_id, "--yes")
        (line,) = ran.lines
        outcome = (ran.code, line["outcome"], line["reason"])
        assert outcome == (1, "kept", f"the body of {event_id} is no longer kept")
        drain(pipe)
        assert len(of_id(pipe, event_id)) == earlier
    finally:
        left = client.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])
        for message in left:
            client.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert [json.loads(message["Body"]) for message in left] == [dead_letter]
    assert pipe.dead_letters() == dead


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("replay",), 2, "not said what to replay"),
        (("replay", "scalapay/it-replay/none/created/~"), 4, "no event"),
        (("replay", "--source", SOURCE, "--queue", "extra"), 3, "no extra queue"),
        (("replay", "--resume", "nowhere.jsonl"), 2, "cannot be read"),
    ],
)
def test_what_cannot_be_replayed_is_reported(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    ran = cli.run(*arguments)
    assert (ran.code, message in ran.err, ran.out) == (code, True, ""), ran
