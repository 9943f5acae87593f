"""`hookmill forget`: what events say of people, out of the deployed stack's tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import cli as tool
from tests import e2e
from tests.cli import Cli, Ran
from tests.local import run

# Of one nothing is erased, and of the other everything that was sent.
SOURCE = "scalapay/it-forget"
FORGOTTEN = "scalapay/it-forgotten"
TOKEN = "21KLT3YDWT"
ORDER = f"{FORGOTTEN}/{TOKEN}"
CASES = ("created", "authorized.after_created", "refunded")
EMAIL = "consumer@example.com"


@dataclass(frozen=True)
class Forgotten:
    """A payment whose person was forgotten: its events, the person's address, and how it went."""

    ids: list[str]
    email: str
    said_before: str
    view_before: e2e.Row
    shown_before: dict
    ran: Ran
    run_file: str


def email_of(pipe: e2e.Pipe, event_id: str) -> str:
    """Returns the buyer's address, as the event has it."""
    return pipe.received()[event_id][0].event["data"]["customer"]["email"]


@pytest.fixture(scope="module")
def forgotten(cli: Cli, pipe: e2e.Pipe, tmp_path_factory: pytest.TempPathFactory) -> Forgotten:
    """A payment's events, once they have been through both queues and the person was forgotten."""
    ids = cli.send(pipe, CASES, FORGOTTEN)
    email, said_before = email_of(pipe, ids[0]), said(pipe)
    view, (shown,) = pipe.views("scalapay", "it-forgotten")[ORDER], cli.json("orders", "show", ORDER)
    file = tmp_path_factory.mktemp("forget") / "run.jsonl"
    person = ("forget", "person", "--source", FORGOTTEN, "--email", "--value-env", "WHOM")
    ran = cli.run("--json", *person, "--yes", "--run-file", str(file), WHOM=email)
    assert ran.code == 0, ran
    return Forgotten(ids, email, said_before, view, shown, ran, file.read_text(encoding="utf-8"))


def said(pipe: e2e.Pipe) -> str:
    """Returns everything that the tables say of the source whose person is forgotten, compressed values undone."""
    texts = [view["view"] for view in pipe.views("scalapay", "it-forgotten").values()]
    for row in pipe.rows("scalapay", "it-forgotten").values():
        packed = [row[name] for name in ("body", "residue") if name in row]
        texts += [str(row), *(e2e.decompress(value).decode() for value in packed)]
    return "\n".join(texts)


def test_a_dry_run_erases_nothing(cli: Cli, pipe: e2e.Pipe) -> None:
    # Deliveries that other tests sent to sources that nobody set up may be of the same person.
    found = cli.json("forget", "person", "--source", SOURCE, "--email", EMAIL)
    refused = found[-1]["refused"] if found else 0
    ids = cli.send(pipe, CASES, SOURCE)
    email, before = email_of(pipe, ids[0]), pipe.rows("scalapay", "it-forget")
    assert email == EMAIL
    lines = cli.json("forget", "person", "--source", SOURCE, "--email", email.upper())
    assert lines[0] == {"order": f"{SOURCE}/{TOKEN}", "events": 1, "fields": ["customer.email"]}
    assert lines[-1] == {"orders": 1, "events": len(ids), "refused": refused, "failed": 0}
    assert pipe.rows("scalapay", "it-forget") == before


def test_a_person_is_forgotten(cli: Cli, pipe: e2e.Pipe, forgotten: Forgotten) -> None:
    assert forgotten.ran.lines[-1]["events"] == len(forgotten.ids)
    assert forgotten.email in forgotten.said_before
    assert forgotten.email not in said(pipe) + forgotten.ran.out + forgotten.ran.err + forgotten.run_file
    for row in pipe.rows("scalapay", "it-forgotten").values():
        assert {"residue", "erased_at", "hash", "received_at", "claim", "fingerprint"} <= set(row)
        assert not {"body", "headers", "body_of"} & set(row)
    # The order's state is as it was.
    before, after = forgotten.view_before, pipe.views("scalapay", "it-forgotten")[ORDER]
    assert {name: after.get(name) for name in ("total", "payment_state", "currency")} == {
        name: before.get(name) for name in ("total", "payment_state", "currency")
    }
    assert cli.json("orders", "show", ORDER)[0]["summary"] == forgotten.shown_before["summary"]
    # Again there is nothing left.
    assert cli.json("forget", "order", ORDER) == [{"orders": 0, "events": 0, "refused": 0, "failed": 0}]


def test_an_erased_event_is_reported_as_erased(cli: Cli, pipe: e2e.Pipe, forgotten: Forgotten) -> None:
    event_id = forgotten.ids[0]
    (shown,) = cli.json("events", "show", event_id)
    assert (shown["marks"], shown["type"]) == (["erased"], "payment.created")
    assert cli.run("replay", event_id).err.startswith(f"hookmill: {event_id} cannot be replayed: it was erased")
    answer = pipe.stack.client("lambda").invoke(
        FunctionName=pipe.stack.outputs["ReadFunction"], Payload=json.dumps({"id": event_id})
    )
    error = json.loads(answer["Payload"].read())
    assert (error["errorType"], error["errorMessage"][:17]) == ("Erased", "it was erased on "), error
    (totals,) = cli.json("reread", "--source", FORGOTTEN)
    assert (totals["events"], totals["erased"]) == (0, len(forgotten.ids))


def test_a_redelivery_and_a_late_message_bring_nothing_back(cli: Cli, pipe: e2e.Pipe, forgotten: Forgotten) -> None:
    event_id = forgotten.ids[0]
    (line,) = cli.json("send", "events/scalapay/created.json", "--source", FORGOTTEN)
    assert (line["kept"], line["id"]) == ("repeat", event_id)
    message = pipe.received()[event_id][0]
    assert forgotten.email in message.text
    before = pipe.views("scalapay", "it-forgotten")
    pipe.stack.client("sqs").send_message(
        QueueUrl=pipe.stack.outputs["OrdersQueueUrl"],
        MessageBody=message.text,
        MessageGroupId=message.group,
        MessageDeduplicationId="late",
    )
    pipe.wait_for_views()
    assert pipe.views("scalapay", "it-forgotten") == before
    (counts,) = cli.json("orders", "rebuild", ORDER)
    assert counts["same"] == 1
    assert forgotten.email not in said(pipe)


def test_what_is_young_stays(cli: Cli, pipe: e2e.Pipe) -> None:
    (line,) = cli.json("send", "events/scalapay/expired.json", "--source", SOURCE)
    pipe.wait_for_messages([line["id"]])
    pipe.wait_for_views()
    assert cli.json("forget", "--source", SOURCE, "--older-than", "1d") == []
    assert "body" in pipe.rows("scalapay", "it-forget")[line["id"]]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("forget",), 2, "not said what to forget"),
        (("forget", "order", "nonsense"), 2, "not an order's id"),
        (("forget", "person", "--source", SOURCE), 2, "not said whom"),
        (("forget", "person", "--source", SOURCE, "--email", "nobody"), 2, "has an @"),
        (("forget", "order", "--resume", "nowhere.jsonl"), 2, "cannot be read"),
    ],
)
def test_what_cannot_be_forgotten_is_reported(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    ran = cli.run(*arguments)
    assert (ran.code, message in ran.err, ran.out) == (code, True, ""), ran


def test_make_run_goes_on_where_its_order_was_forgotten(pipe: e2e.Pipe, forgotten: Forgotten) -> None:
    sent = [run.Sent("scalapay", case, 200, "repeat", id_, 1) for case, id_ in zip(CASES, forgotten.ids)]
    run.read_types(pipe.stack, sent)
    assert [(each.type, each.failed) for each in sent] == [("erased", False)] * len(sent)
    story = run.story(pipe.stack, tool.binary(), sent, [{"pk": ORDER}])
    assert "was erased with hookmill forget" in story and f"{run.proposed(pipe.stack, tool.binary())} orders show {ORDER}" in story
    assert forgotten.email not in story
