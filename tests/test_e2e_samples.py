"""Every sample delivery through the deployed stack, once and then again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import e2e, e2e_checks
from tests.local import run, signing
from tests.soak.events import nameless

CASES = run.cases()
NAMES = [f"{file.parent.name}/{file.stem}" for file in CASES]
SOURCES = [
    (provider, name)
    for provider, secret in json.loads((run.EVENTS / "sources.json").read_text(encoding="utf-8")).items()
    for name in secret["sources"]
]
MARKS = ("conflict", "revision", "possiblyrepeated")


@dataclass
class Passes:
    """The deliveries, and the tables after the first and after the second time."""

    pipe: e2e.Pipe
    requests: dict[str, dict]
    answers: dict[str, list[e2e.Answer]]
    rows: dict[str, e2e.Row]
    messages: dict[str, e2e.Message]
    before: dict
    after: dict
    late: list[e2e.Message]


@pytest.fixture(scope="module")
def passes(pipe: e2e.Pipe) -> Passes:
    events = [json.loads(file.read_text(encoding="utf-8")) for file in CASES]
    jobs = [(file.parent.name, pipe.signed(file.parent.name, event)) for file, event in zip(CASES, events)]

    first = pipe.send_in_order(jobs)
    # Whatever the rows are called: that they are called as they should be is for the tests to say.
    messages = pipe.wait_for_messages(event_id for provider, name in SOURCES for event_id in pipe.rows(provider, name))
    pipe.wait_for_views()
    before, seen = pipe.tables(), len(pipe.messages)

    second = pipe.send_in_order(jobs)
    # Whatever a changed row would set going shows within this: a message takes a tenth of a second.
    while pipe.receive():
        pass
    pipe.wait_for_views()
    return Passes(
        pipe,
        dict(zip(NAMES, (event for _, event in jobs))),
        dict(zip(NAMES, map(list, zip(first, second)))),
        before["events"],
        messages,
        before,
        pipe.tables(),
        pipe.messages[seen:],
    )


@pytest.mark.parametrize("file", CASES, ids=NAMES)
def test_a_sample_is_kept_as_it_came(passes: Passes, file: Path) -> None:
    provider, expected = file.parent.name, e2e.reading(file)
    name = f"{provider}/{file.stem}"
    assert [(answer.status, answer.body) for answer in passes.answers[name]] == [(200, b""), (200, b"")]

    sent = signing.body_bytes(passes.requests[name])
    row = passes.rows[expected["id"]]
    assert row["hash"] == e2e.sha256(sent)
    assert row.get("mark") == next((mark for mark in MARKS if expected.get(mark)), None)
    kept, secrets = e2e_checks.without_secrets(provider, sent)
    assert passes.pipe.body(row) == kept
    # All values at one place with a wildcard are one path.
    paths = [path for path in e2e_checks.SECRET_PATHS[provider] if "*" in path]
    at_one_place = [len(list(e2e_checks.spans(sent.decode(), 0, path))) for path in paths] if secrets else []
    assert len(row.get("cut", [])) == len(secrets) - sum(count - 1 for count in at_one_place if count)


@pytest.mark.parametrize("file", CASES, ids=NAMES)
def test_a_sample_arrives_as_it_is_to_be_read(passes: Passes, file: Path) -> None:
    expected = e2e.reading(file)
    event = passes.messages[expected["id"]].event
    assert e2e_checks.cloudevents_faults(event) == []
    assert e2e_checks.without_arrival(event) == e2e_checks.without_arrival(expected)
    assert event["receivedtime"][:19] == passes.rows[expected["id"]]["received_at"][:19]


def test_every_message_fits_the_schema(passes: Passes) -> None:
    assert e2e_checks.schema_faults(passes.messages.values()) == []


def test_the_second_time_changes_nothing(passes: Passes) -> None:
    for table in ("events", "orders"):
        assert passes.after[table].keys() == passes.before[table].keys()
        for key, row in passes.before[table].items():
            assert passes.after[table][key] == row, key
    assert passes.late == []


def test_nothing_else_was_kept(passes: Passes) -> None:
    own = tuple(f"{provider}/{name}/" for provider, name in SOURCES)
    kept = {event_id for event_id in passes.rows if event_id.startswith(own)}
    assert kept == {e2e.reading(file)["id"] for file in CASES}


# Order, payment and fulfilment state, total and currency.
ENDS = {
    "scalev/main/250130JQHFZG": ("completed", "settled", "delivered", "168724", None),
    "scalev/main/250202HKLMQW": ("returned", None, "returned", None, None),
    "scalev/main/250203BNVTYU": (None, "conflict", None, None, None),
    "scalapay/it/21KLT3YDWT": (None, "refunded", None, "40.7", "EUR"),
    "scalapay/it/E1KLSVMATB": (None, "paid", None, "100", None),
    "scalapay/it/11KLSM367X": (None, "expired", None, "30", None),
    "shopline/tw/642a51c8d3f0a1000fd4e210": ("completed", "refunded", "arrived", "260", "TWD"),
    "shopline/tw/6010a1f3aa1e7900174c0b10": ("completed", "refunded", "arrived", "260", "TWD"),
    "shopline/tw/600fce09aa1e7900174b9ba2": ("cancelled", "paid", None, "260", "TWD"),
    "shopline/app/5f0bda5e4e5fca0010c81fef:6423b0c107c37f000d8d7801": ("pending", "pending", "pending", "26.99", "USD"),
    "selldone/main/1:OnlineOrder:9019": ("confirmed", "paid", "delivered", None, "USD"),
    "selldone/main/1:OnlineOrder:9024": ("cancelled", "voided", "pending", None, "USD"),
}


@pytest.mark.parametrize("pk", ENDS)
def test_an_order_ends_where_a_reader_of_its_history_would_say(passes: Passes, pk: str) -> None:
    view = passes.after["orders"][pk]
    columns = ("order_state", "payment_state", "fulfillment_state", "total", "currency")
    assert tuple(view.get(column) for column in columns) == ENDS[pk]


def test_only_orders_and_their_payments_have_views(passes: Passes) -> None:
    families = ("order.", "payment.", "fulfillment.", "return.")
    # What names no order would join unrelated ones.
    concerned = {
        partition(i)
        for i, message in passes.messages.items()
        if message.event["type"].startswith(families) and not nameless(i)
    }
    own = tuple(f"{provider}/{name}/" for provider, name in SOURCES)
    assert {pk for pk in passes.after["orders"] if pk.startswith(own)} == concerned


def test_a_group_keeps_the_order_in_which_its_events_were_kept(passes: Passes) -> None:
    sent: dict[str, list[str]] = {}
    for file in CASES:
        event_id = e2e.reading(file)["id"]
        sent.setdefault(partition(event_id), []).append(event_id)
    came: dict[str, list[str]] = {}
    groups: dict[str, set[str]] = {}
    for message in passes.pipe.messages:
        event_id = message.event["id"]
        if event_id not in passes.messages:
            continue
        order = came.setdefault(partition(event_id), [])
        # An event may come more than once; its first coming counts.
        if event_id not in order:
            order.append(event_id)
        groups.setdefault(partition(event_id), set()).add(message.group)
    assert came == sent
    assert all(len(names) == 1 for names in groups.values())
    assert len({name for names in groups.values() for name in names}) == len(groups), "two orders share a group"


def test_ids_for_the_queue_are_short_ascii_and_distinct(passes: Passes) -> None:
    messages = passes.messages.values()
    assert len({message.deduplication for message in messages}) == len(messages)
    for message in messages:
        for value in (message.group, message.deduplication):
            assert value.isascii() and value.isprintable() and len(value) <= 128


def test_the_read_function_returns_the_same_event(passes: Passes) -> None:
    for event_id in [e2e.reading(file)["id"] for file in CASES[::10]]:
        assert passes.pipe.read(event_id) == passes.messages[event_id].event


def test_no_sample_ended_as_a_dead_letter(passes: Passes) -> None:
    assert set(passes.pipe.dead_letters().values()) == {0}


def partition(event_id: str) -> str:
    """Returns the subject's part of an event id."""
    return "/".join(event_id.split("/")[:3])
