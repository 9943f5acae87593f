"""`hookmill forget`: what events say of people, out of the deployed stack's tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import e2e
from tests.cli import Cli

SOURCE = "scalapay/it-forget"
ORDER = f"{SOURCE}/21KLT3YDWT"
CASES = ("created", "authorized.after_created", "refunded")


@pytest.fixture(scope="module")
def sent(cli: Cli, pipe: e2e.Pipe) -> list[str]:
    """The ids of a payment's events, once they have been through both queues."""
    return cli.send(pipe, CASES, SOURCE)


@pytest.fixture(scope="module")
def email(pipe: e2e.Pipe, sent: list[str]) -> str:
    """The buyer's address."""
    return pipe.received()[sent[0]][0].event["data"]["customer"]["email"]


def said(pipe: e2e.Pipe) -> str:
    """Everything that the tables say of the source, compressed values undone."""
    texts = [pipe.views("scalapay", "it-forget")[order]["view"] for order in pipe.views("scalapay", "it-forget")]
    for row in pipe.rows("scalapay", "it-forget").values():
        packed = [row[name] for name in ("body", "residue") if name in row]
        texts += [str(row), *(e2e.decompress(value).decode() for value in packed)]
    return "\n".join(texts)


def test_a_dry_run_erases_nothing(cli: Cli, pipe: e2e.Pipe, sent: list[str], email: str) -> None:
    before = pipe.rows("scalapay", "it-forget")
    lines = cli.json("forget", "person", "--source", SOURCE, "--email", email.upper())
    assert lines[0] == {"order": ORDER, "events": 1, "fields": ["customer.email"]}
    assert lines[-1] == {"orders": 1, "events": len(sent), "refused": 0, "failed": 0}
    assert pipe.rows("scalapay", "it-forget") == before


def test_a_person_is_forgotten(cli: Cli, pipe: e2e.Pipe, sent: list[str], email: str, tmp_path: Path) -> None:
    assert email in said(pipe)
    before, (shown,) = pipe.views("scalapay", "it-forget")[ORDER], cli.json("orders", "show", ORDER)
    file = tmp_path / "run.jsonl"
    arguments = ("forget", "person", "--source", SOURCE, "--email", "--value-env", "WHOM", "--yes", "--run-file")
    ran = cli.run("--json", *arguments, str(file), WHOM=email)
    assert ran.code == 0, ran
    assert ran.lines[-1]["events"] == len(sent)
    assert email not in said(pipe) + ran.out + ran.err + file.read_text(encoding="utf-8")
    for row in pipe.rows("scalapay", "it-forget").values():
        assert {"residue", "erased_at", "hash", "received_at", "claim", "fingerprint"} <= set(row)
        assert not {"body", "headers", "body_of"} & set(row)
    # Where the order stands is as it was.
    after = pipe.views("scalapay", "it-forget")[ORDER]
    assert {name: after.get(name) for name in ("total", "payment_state", "currency")} == {
        name: before.get(name) for name in ("total", "payment_state", "currency")
    }
    assert cli.json("orders", "show", ORDER)[0]["summary"] == shown["summary"]
    # Again there is nothing left.
    assert cli.json("forget", "order", ORDER) == [{"orders": 0, "events": 0, "refused": 0, "failed": 0}]


def test_an_erased_event_is_told_as_erased(cli: Cli, pipe: e2e.Pipe, sent: list[str]) -> None:
    (shown,) = cli.json("events", "show", sent[0])
    assert (shown["marks"], shown["type"]) == (["erased"], "payment.created")
    assert cli.run("replay", sent[0]).err.startswith(f"hookmill: {sent[0]} cannot be replayed: it was erased")
    answer = pipe.stack.client("lambda").invoke(
        FunctionName=pipe.stack.outputs["ReadFunction"], Payload=json.dumps({"id": sent[0]})
    )
    told = json.loads(answer["Payload"].read())
    assert (told["errorType"], told["errorMessage"][:17]) == ("Erased", "it was erased on "), told
    (totals,) = cli.json("reread", "--source", SOURCE)
    assert (totals["events"], totals["erased"]) == (0, len(sent))


def test_a_redelivery_and_a_late_message_bring_nothing_back(
    cli: Cli, pipe: e2e.Pipe, sent: list[str], email: str
) -> None:
    (line,) = cli.json("send", "events/scalapay/created.json", "--source", SOURCE)
    assert (line["kept"], line["id"]) == ("repeat", sent[0])
    message = pipe.received()[sent[0]][0]
    assert email in message.text
    before = pipe.views("scalapay", "it-forget")
    pipe.stack.client("sqs").send_message(
        QueueUrl=pipe.stack.outputs["OrdersQueueUrl"],
        MessageBody=message.text,
        MessageGroupId=message.group,
        MessageDeduplicationId="late",
    )
    pipe.wait_for_views()
    assert pipe.views("scalapay", "it-forget") == before
    (counts,) = cli.json("orders", "rebuild", ORDER)
    assert counts["same"] == 1
    assert email not in said(pipe)


def test_what_is_young_stays(cli: Cli, pipe: e2e.Pipe) -> None:
    (line,) = cli.json("send", "events/scalapay/expired.json", "--source", SOURCE)
    pipe.wait_for_messages([line["id"]])
    pipe.wait_for_views()
    assert cli.json("forget", "--source", SOURCE, "--older-than", "1d") == []
    assert "body" in pipe.rows("scalapay", "it-forget")[line["id"]]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("forget",), 2, "not said what to forget"),
        (("forget", "order", "nonsense"), 2, "not an order's id"),
        (("forget", "person", "--source", SOURCE), 2, "not said whom"),
        (("forget", "person", "--source", SOURCE, "--email", "nobody"), 2, "has an @"),
        (("forget", "order", "--resume", "nowhere.jsonl"), 2, "cannot be read"),
    ],
)
def test_what_cannot_be_forgotten_is_told(cli: Cli, arguments: tuple[str, ...], code: int, told: str) -> None:
    ran = cli.run(*arguments)
    assert (ran.code, told in ran.err, ran.out) == (code, True, ""), ran
