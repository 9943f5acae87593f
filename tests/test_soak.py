"""The soak in its short form, and its verifier held to account: it must notice whatever can go wrong."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from tests import e2e_checks
from tests.conftest import free_port
from tests.local import run, signing, sources
from tests.local import stack as local
from tests.soak import names, observer, report, verifier
from tests.soak.__main__ import Options, Run, soak
from tests.soak.clients import Delivery
from tests.soak.events import Event
from tests.soak.observer import Found, Message
from tests.soak.plan import Plan
from tests.soak.verifier import Account

# The number ends it, not the clock: a busy machine sends as much as a free one.
SHORT = Options(seconds=60, deliveries=500, clients=6, seed=7, kills_per_minute=60, fault_rate=0.1)


# --- The real thing, short -----------------------------------------------------


def test_every_delivery_is_accounted_for(tmp_path: Path) -> None:
    """Real processes under load and fire, for a few seconds; `make soak` is the same for five."""
    binaries = Path(os.environ.get("HOOKMILL_BINARIES", local.default_binaries()))
    tampered: list[Account] = []
    ports = free_port(), free_port()
    account, reported = soak(*ports, tmp_path, binaries, SHORT, print, lambda run: tampered.append(tamper(run)))
    print(report.as_text(account, reported))
    assert account.complaints() + reported["failures"] == []
    assert account.is_clean
    # Faults of each kind came up.
    assert account.sent > 200
    assert {"200", "401"} <= set(reported["answers"])
    assert sum(reported["kills"].values()) > 0
    for part in ("dynamodb", "sqs", "answer lost", "reset", "Throughput"):
        assert any(part in name for name in reported["faults"]), part
    assert account.counts["order views worked out here"] > 20
    # And what is lost, forged or changed in AWS itself is not overlooked.
    complaints = "\n".join(tampered[0].complaints())
    for complaint in ("its event is lost", "kept, but changed", "a row is a forgery's", "has no view"):
        assert complaint in complaints
    assert tampered[0].sums_up


def tamper(run: Run) -> Account:
    """Loses a row and a view, changes a body and lets a forgery in; then asks AWS again."""
    client, table = run.deployed.client("dynamodb"), run.deployed.outputs["EventsTable"]
    genuine = [delivery.sending.event for delivery in run.deliveries if delivery.answer == 200]
    forged = next(delivery.sending for delivery in run.deliveries if delivery.sending.forged)
    lost, changed = genuine[0], genuine[-1]
    client.delete_item(TableName=table, Key=key(lost.id))
    item = client.get_item(TableName=table, Key=key(changed.id))["Item"]
    other = hashlib.sha256(forged.request.body).digest()
    client.put_item(TableName=table, Item=item | {"body": {"B": zstandard.compress(b"{}")}})
    client.put_item(TableName=table, Item=item | key(forged.event.id + "~b1") | {"hash": {"B": other}})
    view = next(event.subject for event in genuine if event.in_view and event.subject != lost.subject)
    client.delete_item(TableName=run.deployed.outputs["OrdersTable"], Key={"pk": {"S": view}})
    return verifier.account(run.deliveries, observer.observe(run.deployed, run.consumer, {}))


def key(id_: str) -> dict:
    """Returns the key of an event's row."""
    parts = id_.split("/")
    return {"pk": {"S": "/".join(parts[:3])}, "sk": {"S": "/".join(parts[3:])}}


# --- What is sent ----------------------------------------------------------------


@pytest.mark.parametrize("file", run.cases(), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_the_names_worked_out_here_are_those_of_the_samples(file: Path) -> None:
    provider, event = file.parent.name, json.loads(file.read_text(encoding="utf-8"))
    source = signing.source_name(event)
    scheme = json.loads(sources.SAMPLE_SOURCES.read_text())[provider]["sources"][source]
    wanted = json.loads(file.with_suffix(".event.json").read_text(encoding="utf-8"))["id"]
    assert names.event_id(provider, source, scheme, signing.body_bytes(event), event["headers"]) == wanted


def test_one_seed_sends_the_same_bodies() -> None:
    plans = [Plan(sample_sources(), seed) for seed in (1, 1, 2)]
    sent = [[plan.next().request.body for _ in range(300)] for plan in plans]
    assert sent[0] == sent[1]
    assert sent[0] != sent[2]


# --- The verifier ------------------------------------------------------------------

Story = tuple[list[Delivery], Found]


@pytest.fixture(scope="module")
def story() -> Story:
    """The deliveries that were sent, and the state of a faultless AWS afterwards."""
    plan = Plan(sample_sources(), 3)
    sendings = [plan.next() for _ in range(500)]
    deliveries = [
        Delivery(number, sending, 1, 401 if sending.forged else 200, 5.0)
        for number, sending in enumerate(sendings)
    ]
    events: dict[str, Event] = {}
    for sending in sendings:
        if not sending.forged:
            events.setdefault(sending.event.id, sending.event)
    found = Found()
    for place, event in enumerate(events.values()):
        found.rows[event.id] = row(event)
        found.stream.append(event.id)
        found.messages.append(message(event, place))
    for pk in {event.subject for event in events.values() if event.in_view}:
        reported = [event for event in events.values() if event.in_view and event.subject == pk]
        found.views[pk] = {"pk": pk} | verifier.expected_view(reported)
    return deliveries, found


def row(event: Event) -> dict:
    """Returns the row of an event, its secrets redacted."""
    body, cut = e2e_checks.without_secrets(event.request.provider, event.request.body)
    kept = {"kind": "event", "body": body, "hash": hashlib.sha256(event.request.body).digest()}
    return kept | ({"cut": ["somewhere"]} if cut else {})


def message(event: Event, sent_ms: int) -> Message:
    return Message({"id": event.id, "type": event.type or "other"}, event.subject, event.id, sent_ms)


def sample_sources() -> dict:
    return json.loads(sources.SAMPLE_SOURCES.read_text())


def test_a_faultless_outcome_is_clean(story: Story) -> None:
    account = verifier.account(*story)
    assert account.complaints() == []
    assert account.is_clean
    assert sum(account.deliveries.values()) == len(story[0])
    for place in (verifier.KEPT, verifier.REPEATED, verifier.REFUSED):
        assert account.deliveries[place] > 20
    assert account.counts["order views worked out here"] > 40


def row_is_lost(deliveries: list[Delivery], found: Found) -> None:
    id_ = found.stream.pop()
    del found.rows[id_]
    found.messages = [message for message in found.messages if message.event["id"] != id_]


def row_is_there_twice(deliveries: list[Delivery], found: Found) -> None:
    found.rows[found.stream[0] + "~2"] = found.rows[found.stream[0]]
    found.stream.append(found.stream[0] + "~2")


def row_was_written_twice(deliveries: list[Delivery], found: Found) -> None:
    found.stream.append(found.stream[0])


def body_is_changed(deliveries: list[Delivery], found: Found) -> None:
    whole = next(kept for kept in found.rows.values() if "cut" not in kept)
    whole["body"] = whole["body"].replace(b":", b": ", 1)


def body_is_another_ones(deliveries: list[Delivery], found: Found) -> None:
    first, second = found.stream[:2]
    found.rows[first] = found.rows[second]


def secret_is_kept(deliveries: list[Delivery], found: Found) -> None:
    events = {delivery.sending.event.id: delivery.sending.event for delivery in deliveries}
    id_ = next(id_ for id_, kept in found.rows.items() if "cut" in kept)
    found.rows[id_]["body"] = events[id_].request.body


def message_is_lost(deliveries: list[Delivery], found: Found) -> None:
    found.messages.pop()


def message_comes_twice(deliveries: list[Delivery], found: Found) -> None:
    found.messages.append(replace(found.messages[0], sent_ms=found.messages[0].sent_ms + 1_000))


def message_is_invented(deliveries: list[Delivery], found: Found) -> None:
    event = {"id": "scalev/main/1/order.created/event_1", "type": "order.created"}
    found.messages.append(Message(event, "g", "d", 0))


def messages_change_places(deliveries: list[Delivery], found: Found) -> None:
    groups: dict[str, int] = {}
    for place, later in enumerate(found.messages):
        if (earlier := groups.setdefault(later.group, place)) != place:
            found.messages[earlier], found.messages[place] = later, found.messages[earlier]
            return


def message_has_another_group(deliveries: list[Delivery], found: Found) -> None:
    found.messages[0] = replace(found.messages[0], group=found.messages[1].group)


def message_has_another_type(deliveries: list[Delivery], found: Found) -> None:
    place = next(place for place, reported in enumerate(found.messages) if reported.event["type"] == "order.created")
    reported = found.messages[place]
    found.messages[place] = replace(reported, event=reported.event | {"type": "other"})


def forgery_is_kept(deliveries: list[Delivery], found: Found) -> None:
    forged = next(delivery.sending for delivery in deliveries if delivery.sending.forged)
    id_ = forged.event.id + "~b1"
    body = forged.request.body
    found.rows[id_] = {"kind": "event", "body": body, "hash": hashlib.sha256(body).digest()}
    found.stream.append(id_)


def forgery_is_answered_200(deliveries: list[Delivery], found: Found) -> None:
    next(delivery for delivery in deliveries if delivery.sending.forged).answer = 200


def genuine_is_refused(deliveries: list[Delivery], found: Found) -> None:
    next(delivery for delivery in deliveries if not delivery.sending.forged).answer = 401


def genuine_is_answered_otherwise(deliveries: list[Delivery], found: Found) -> None:
    next(delivery for delivery in deliveries if not delivery.sending.forged).answer = 404


def genuine_is_in_quarantine(deliveries: list[Delivery], found: Found) -> None:
    kept = found.rows[found.stream[0]]
    found.refused.append({"pk": "refused/scalev/main", "sk": "0001", "hash": kept["hash"]})


def view_is_behind(deliveries: list[Delivery], found: Found) -> None:
    view = next(view for view in found.views.values() if view.get("fulfillment_state") == "shipped")
    view["fulfillment_state"] = "pending"


def view_adds_up_wrongly(deliveries: list[Delivery], found: Found) -> None:
    next(view for view in found.views.values() if "total" in view)["total"] = "1"


def view_is_missing(deliveries: list[Delivery], found: Found) -> None:
    found.views.popitem()


def view_is_invented(deliveries: list[Delivery], found: Found) -> None:
    found.views["scalev/main/1"] = {"pk": "scalev/main/1"}


def dead_letter_is_there(deliveries: list[Delivery], found: Found) -> None:
    found.dead_letters["OrdersDeadLetterQueueUrl"] = [json.dumps(found.messages[0].event)]


def stretch_of_the_stream_was_given_up(deliveries: list[Delivery], found: Found) -> None:
    found.dead_letters["RelayDeadLetterQueueUrl"] = ['{"DDBStreamBatchInfo": {}}']


def reader_has_another_story(deliveries: list[Delivery], found: Found) -> None:
    found.read[found.stream[0]] = found.messages[0].event | {"type": "order.lost"}


def message_is_left(deliveries: list[Delivery], found: Found) -> None:
    found.left["OrdersQueueUrl"] = 1


FAULTS: list[tuple[Callable[[list[Delivery], Found], None], str]] = [
    (row_is_lost, "its event is lost"),
    (row_is_there_twice, "a row is not of an event that was sent"),
    (row_was_written_twice, "a row was kept twice"),
    (body_is_changed, "its event is kept, but changed"),
    (body_is_another_ones, "its event is kept, but changed"),
    (secret_is_kept, "its event is kept, but changed"),
    (message_is_lost, "its event is kept, but never came"),
    (message_comes_twice, "an event came twice"),
    (message_is_invented, "a message is not of a row"),
    (messages_change_places, "another order than they were kept"),
    (message_has_another_group, "two orders share a group"),
    (message_has_another_type, "another type"),
    (forgery_is_kept, "a row is a forgery's"),
    (forgery_is_answered_200, "forged, but answered 200"),
    (genuine_is_answered_otherwise, "an answer that no receiver gives"),
    (genuine_is_refused, "genuine, but refused"),
    (genuine_is_in_quarantine, "a row in quarantine is not a forgery's"),
    (view_is_behind, "a view is not where its events lead"),
    (view_adds_up_wrongly, "a view is not where its events lead"),
    (view_is_missing, "an order has no view"),
    (view_is_invented, "a view is not of an order"),
    (dead_letter_is_there, "a dead letter in OrdersDeadLetterQueueUrl"),
    (stretch_of_the_stream_was_given_up, "a dead letter in RelayDeadLetterQueueUrl"),
    (reader_has_another_story, "the reader has another event"),
    (message_is_left, "messages were left in a queue"),
]


@pytest.mark.parametrize(("fault", "complaint"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_the_verifier_notices(story: Story, fault: Callable, complaint: str) -> None:
    account = verifier.account(*doctored(story, fault))
    assert not account.is_clean
    assert complaint in "\n".join(account.complaints())
    assert account.sums_up


def came_again_after_the_queue_forgot(deliveries: list[Delivery], found: Found) -> None:
    first = found.messages[0]
    found.messages.append(replace(first, sent_ms=first.sent_ms + verifier.DEDUPLICATION_MS))


def was_parked(deliveries: list[Delivery], found: Found) -> None:
    lost = found.messages.pop()
    dead_letter = {"queue": "http://127.0.0.1/work.fifo", "id": lost.event["id"], "reason": "no answer in time"}
    found.dead_letters["RelayDeadLetterQueueUrl"] = [json.dumps(dead_letter)]


def was_never_answered_and_not_kept(deliveries: list[Delivery], found: Found) -> None:
    id_ = found.stream[-1]
    row_is_lost(deliveries, found)
    for delivery in deliveries:
        if delivery.sending.event.id == id_ and not delivery.sending.forged:
            delivery.answer = 503
    # The view is that of the events that were kept.
    pk = verifier.subject(id_)
    events = {delivery.sending.event.id: delivery.sending.event for delivery in deliveries}
    kept = [event for event in events.values() if event.subject == pk and event.id in found.rows]
    if found.views.pop(pk, None) and kept:
        found.views[pk] = {"pk": pk} | verifier.expected_view(kept)


@pytest.mark.parametrize(
    "change", [came_again_after_the_queue_forgot, was_parked, was_never_answered_and_not_kept]
)
def test_the_verifier_lets_pass_what_is_allowed(story: Story, change: Callable) -> None:
    account = verifier.account(*doctored(story, change))
    assert account.complaints() == []


def doctored(story: Story, change: Callable[[list[Delivery], Found], None]) -> Story:
    """Returns a copy of the story with a change."""
    deliveries = [copy.copy(delivery) for delivery in story[0]]
    found = copy.deepcopy(story[1])
    change(deliveries, found)
    return deliveries, found


def test_what_does_not_sum_up_is_said() -> None:
    account = Account(sent=2)
    account.deliveries[verifier.KEPT] = 1
    assert not account.is_clean
    assert account.complaints() == ["2 deliveries were sent, 1 are accounted for"]
