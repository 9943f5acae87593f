"""The account: what became of every single delivery, and whether that is what should have.

It takes what was sent and what was found, both as plain data, and shares no code with the receivers.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tests import e2e_checks
from tests.soak.clients import Delivery
from tests.soak.events import Event
from tests.soak.observer import Found, Message

# A FIFO queue refuses what it got under the same id within this time. What comes twice after it, may.
DEDUPLICATION_MS = 300_000
EXAMPLES_MAX = 5

# Every delivery ends in one of these. The first half is as it should be, the second must stay empty.
KEPT = "genuine, 200: the first, and its event is kept"
REPEATED = "genuine, 200: a repeat, and nothing more is kept"
ANSWERED_LATER = "genuine, not 200: its event was answered 200 another time"
KEPT_UNANSWERED = "genuine, never 200: its event is kept anyway"
NOT_KEPT = "genuine, never 200: its event is not kept"
REFUSED = "forged: 401, not kept"
NOT_ANSWERED = "forged: no answer or 5xx, not kept"
GOOD = (KEPT, REPEATED, ANSWERED_LATER, KEPT_UNANSWERED, NOT_KEPT, REFUSED, NOT_ANSWERED)

STRANGE = "FAULT: an answer that no receiver gives"
LOST = "FAULT: genuine, 200, but its event is lost"
CHANGED = "FAULT: genuine, its event is kept, but changed"
NOT_RELAYED = "FAULT: genuine, its event is kept, but never came"
TURNED_AWAY = "FAULT: genuine, but refused"
LET_IN = "FAULT: forged, but answered 200"
FORGERY_KEPT = "FAULT: forged, and kept"
BAD = (STRANGE, LOST, CHANGED, NOT_RELAYED, TURNED_AWAY, LET_IN, FORGERY_KEPT)


@dataclass
class Account:
    """The results of the deliveries, and everything that should not be."""

    sent: int = 0
    deliveries: Counter = field(default_factory=Counter)
    # By what is wrong, what it is wrong with.
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    # Other counts, for the reader.
    counts: Counter = field(default_factory=Counter)

    @property
    def sums_up(self) -> bool:
        return sum(self.deliveries.values()) == self.sent

    @property
    def is_clean(self) -> bool:
        return self.sums_up and not self.faults and not any(self.deliveries[kind] for kind in BAD)

    def complaints(self) -> list[str]:
        """Returns all faults in words, with some examples of each."""
        lines = [f"{kind}: {self.deliveries[kind]} deliveries" for kind in BAD if self.deliveries[kind]]
        if not self.sums_up:
            placed = sum(self.deliveries.values())
            lines.append(f"{self.sent} deliveries were sent, {placed} are accounted for")
        for what, which in self.faults.items():
            lines.append(f"{what}: {len(which)}, such as {'; '.join(which[:EXAMPLES_MAX])}")
        return lines


def account(deliveries: list[Delivery], found: Found) -> Account:
    """Goes through everything that was sent and everything that was found."""
    result = Account(sent=len(deliveries))
    genuine = [delivery for delivery in deliveries if not delivery.sending.forged]
    events = {delivery.sending.event.id: delivery.sending.event for delivery in genuine}
    answered = {delivery.sending.event.id for delivery in genuine if delivery.answer == 200}
    check_rows(result, deliveries, events, found)
    parked = check_dead_letters(result, found)
    arrived = check_messages(result, events, found)
    # A batch may fail after some of it was parked, and then it comes again as a whole.
    result.counts["events parked that came anyway"] = len(parked & arrived)
    bad_rows = {id_ for id_ in events if id_ in found.rows and not is_as_sent(events[id_], found.rows[id_])}
    state = State(found, answered, arrived | parked, bad_rows)
    place_deliveries(result, deliveries, state)
    check_views(result, events, found)
    check_refused(result, deliveries, found)
    for queue, left in found.left.items():
        if left:
            result.faults["messages were left in a queue"].append(f"{queue}: {left}")
    return result


# --- The deliveries ------------------------------------------------------------


@dataclass
class State:
    """Facts about the events as a whole."""

    found: Found
    answered: set[str]
    arrived: set[str]
    bad_rows: set[str]


def place_deliveries(result: Account, deliveries: list[Delivery], state: State) -> None:
    """Puts every delivery into exactly one place of the account."""
    kept_hashes = {row["hash"] for row in state.found.rows.values()}
    first: set[str] = set()
    for delivery in sorted(deliveries, key=lambda delivery: delivery.number):
        if delivery.sending.forged:
            place = forged_place(delivery, kept_hashes)
        else:
            place = genuine_place(delivery, state, first)
        result.deliveries[place] += 1
        if place in BAD:
            id_ = delivery.sending.event.id
            # A row that was never in the stream was lost by the local AWS, not by the relay.
            seen = "has it" if id_ in state.found.stream else "does not"
            example = f"{id_} (answered {delivery.answer}; the stream {seen})"
            result.faults[place.removeprefix("FAULT: ")].append(example)


def forged_place(delivery: Delivery, kept_hashes: set[bytes]) -> str:
    if hashlib.sha256(delivery.sending.request.body).digest() in kept_hashes:
        return FORGERY_KEPT
    if delivery.answer == 200:
        return LET_IN
    if delivery.answer == 401:
        return REFUSED
    return NOT_ANSWERED if is_trouble(delivery.answer) else STRANGE


def genuine_place(delivery: Delivery, state: State, first: set[str]) -> str:
    id_ = delivery.sending.event.id
    if delivery.answer == 401:
        return TURNED_AWAY
    if delivery.answer != 200 and not is_trouble(delivery.answer):
        return STRANGE
    if id_ not in state.found.rows:
        return LOST if id_ in state.answered else NOT_KEPT
    if id_ in state.bad_rows:
        return CHANGED
    if id_ not in state.arrived:
        return NOT_RELAYED
    if delivery.answer != 200:
        return ANSWERED_LATER if id_ in state.answered else KEPT_UNANSWERED
    if id_ in first:
        return REPEATED
    first.add(id_)
    return KEPT


def is_trouble(answer: int | None) -> bool:
    """Returns whether an answer only asks for another try: ours, Lambda's, or none at all."""
    return answer is None or answer == 429 or answer >= 500


# --- The table -----------------------------------------------------------------


def check_rows(result: Account, deliveries: list[Delivery], events: dict[str, Event], found: Found) -> None:
    """Checks that every row is one genuine event's, and that every event has one row at most."""
    result.counts["events sent"] = len(events)
    result.counts["rows"] = len(found.rows)
    result.counts["rows whose bodies are in chunks"] = sum("chunks" in row for row in found.rows.values())
    forged = {hashlib.sha256(d.sending.request.body).digest() for d in deliveries if d.sending.forged}
    for id_, row in found.rows.items():
        if id_ in events:
            continue
        what = "a row is a forgery's" if row["hash"] in forged else "a row is not of an event that was sent"
        result.faults[what].append(id_)
    for id_, count in Counter(found.stream).items():
        if count > 1:
            result.faults["a row was kept twice"].append(id_)
    for id_ in found.rows.keys() ^ set(found.stream):
        result.faults["the table and its stream differ"].append(id_)


def is_as_sent(event: Event, row: dict) -> bool:
    """Returns whether a row has the body byte for byte; of secrets it has the hash alone."""
    sent = event.request.body
    if row["hash"] != hashlib.sha256(sent).digest():
        return False
    if not row.get("cut"):
        return row["body"] == sent
    return row["body"] == e2e_checks.without_secrets(event.request.provider, sent)[0]


def check_refused(result: Account, deliveries: list[Delivery], found: Found) -> None:
    """Checks that only forgeries are in quarantine."""
    forged = {hashlib.sha256(d.sending.request.body).digest() for d in deliveries if d.sending.forged}
    result.counts["rows in quarantine"] = len(found.refused)
    for row in found.refused:
        if row["hash"] not in forged:
            result.faults["a row in quarantine is not a forgery's"].append(f"{row['pk']}/{row['sk']}")


# --- The queues ----------------------------------------------------------------


def check_messages(result: Account, events: dict[str, Event], found: Found) -> set[str]:
    """Checks that every message is a row's, comes once, and in its group's order of keeping; returns the ids."""
    result.counts["messages"] = len(found.messages)
    came: dict[str, list[Message]] = defaultdict(list)
    groups: dict[str, list[str]] = defaultdict(list)
    for message in found.messages:
        id_ = message.event["id"]
        if id_ not in came:
            groups[message.group].append(id_)
        came[id_].append(message)
    for id_, messages in came.items():
        if id_ not in found.rows:
            result.faults["a message is not of a row"].append(id_)
        if len({message.group for message in messages}) > 1:
            result.faults["an event is in two groups"].append(id_)
        if doubled(messages):
            result.faults["an event came twice"].append(id_)
        result.counts["messages that came again later"] += len(messages) - 1
        event = events.get(id_)
        reported = messages[0].event
        if event and event.type and reported["type"] != event.type:
            result.faults["an event has another type"].append(f"{id_}: {reported['type']}, not {event.type}")
    for id_, reported in found.read.items():
        if id_ in came and came[id_][0].event != reported:
            result.faults["the reader has another event than the queue"].append(id_)
    check_order(result, groups, found)
    return set(came)


def doubled(messages: list[Message]) -> bool:
    """Returns whether the queue should have held one of them back."""
    times = sorted(message.sent_ms for message in messages)
    return any(later - earlier < DEDUPLICATION_MS for earlier, later in zip(times, times[1:], strict=False))


def check_order(result: Account, groups: dict[str, list[str]], found: Found) -> None:
    """Checks that within a group, which is an order's, events come in the order in which they were kept."""
    kept_at = {id_: index for index, id_ in enumerate(found.stream)}
    for ids in groups.values():
        if len({subject(id_) for id_ in ids}) > 1:
            result.faults["two orders share a group"].append(ids[0])
        places = [kept_at[id_] for id_ in ids if id_ in kept_at]
        if places != sorted(places):
            what = "an order's events came in another order than they were kept"
            result.faults[what].append(subject(ids[0]))


def check_dead_letters(result: Account, found: Found) -> set[str]:
    """Counts parked events as handed over, for the dead letter names them; any other dead letter is a fault."""
    parked = set()
    for queue, dead_letters in found.dead_letters.items():
        for dead_letter in dead_letters:
            reported = json.loads(dead_letter)
            if queue == "RelayDeadLetterQueueUrl" and reported.get("id") in found.rows and "queue" in reported:
                parked.add(reported["id"])
            else:
                result.faults[f"a dead letter in {queue}"].append(dead_letter[:200])
    result.counts["events parked in the relay's dead letter queue"] = len(parked)
    return parked


# --- The order views -------------------------------------------------------------

AXES = ("order_state", "payment_state", "fulfillment_state", "total", "currency", "refunded")


def check_views(result: Account, events: dict[str, Event], found: Found) -> None:
    """Checks that every order has the view that its kept events, each once and in order, lead to."""
    orders: dict[str, list[Event]] = defaultdict(list)
    for id_, event in events.items():
        if id_ in found.rows and event.in_view:
            orders[event.subject].append(event)
    result.counts["order views"] = len(found.views)
    worked_out = sum(any(event.states for event in reported) for reported in orders.values())
    result.counts["order views worked out here"] = worked_out
    for pk in found.views.keys() - orders.keys():
        result.faults["a view is not of an order"].append(pk)
    for pk, reported in orders.items():
        view = found.views.get(pk)
        if view is None:
            result.faults["an order has no view"].append(pk)
            continue
        wanted = expected_view(reported)
        if not wanted:
            # A single event of a sample's, of which only the view's existence is known here.
            continue
        seen = {axis: view[axis] for axis in AXES if axis in view}
        if seen != wanted:
            result.faults["a view is not where its events lead"].append(f"{pk}: {seen}, not {wanted}")


def expected_view(events: list[Event]) -> dict[str, str]:
    """Returns for each axis the value of the last event that has one; refunds are summed up."""
    wanted: dict[str, str] = {}
    refunds = []
    for event in sorted(events, key=lambda event: event.place):
        for axis, value in event.states:
            if axis == "refund":
                refunds.append(float(value))
            else:
                wanted[axis] = value
    if refunds:
        # Quarters, which a float holds exactly.
        wanted["refunded"] = f"{sum(refunds):g}"
    elif wanted.get("payment_state") == "refunded":
        wanted["refunded"] = "unknown"
    return wanted


def subject(id_: str) -> str:
    return "/".join(id_.split("/")[:3])
