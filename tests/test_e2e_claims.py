"""An event's name, through function URLs: repeats, second happenings, conflicts and revisions are distinguished."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from tests import e2e, e2e_checks
from tests.local import signing

SOURCES = {"scalev": "main", "scalapay": "it", "shopline": "tw", "selldone": "main"}
MERCHANT = {"merchant_id": "5fc5ea00c43d7f001003999d"}
RACERS = 8


class Shop:
    """A provider's shop that a test sends from: every answer is 200, and rows are found by their subject."""

    def __init__(self, pipe: e2e.Pipe, provider: str) -> None:
        self.pipe, self.provider = pipe, provider
        self.name = f"{SOURCES[provider]}-claims"

    def event(self, body: dict | bytes, **headers: str) -> dict:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        request = e2e.request(self.provider, SOURCES[self.provider], raw, given)
        return self.pipe.signed(self.provider, request, "claims")

    def send(self, *bodies: dict | bytes, **headers: str) -> None:
        for body in bodies:
            answer = self.pipe.send(self.provider, self.event(body, **headers))
            assert (answer.status, answer.body) == (200, b"")

    def pk(self, subject: str) -> str:
        return f"{self.provider}/{self.name}/{subject}"

    def rows(self, subject: str) -> dict[str, e2e.Row]:
        """Returns the subject's rows by sort key."""
        pk = self.pk(subject)
        return {row["sk"]: row for row in self.pipe.rows(self.provider, self.name).values() if row["pk"] == pk}

    def marks(self, subject: str) -> dict[str, str | None]:
        return {sk: row.get("mark") for sk, row in self.rows(subject).items()}

    def events(self, subject: str) -> dict[str, dict]:
        """Returns the subject's events by sort key, as they came off the queue."""
        pk = self.pk(subject)
        messages = self.pipe.wait_for_messages(f"{pk}/{sk}" for sk in self.rows(subject))
        return {event_id[len(pk) + 1 :]: message.event for event_id, message in messages.items()}

    def view(self, subject: str) -> e2e.Row:
        self.events(subject)
        self.pipe.wait_for_views()
        return self.pipe.views(self.provider, self.name)[self.pk(subject)]

    def age(self, subject: str, sk: str, hours: float) -> None:
        """Makes a row older, as if its delivery had come so much earlier."""
        row = self.rows(subject)[sk]
        then = datetime.fromisoformat(row["received_at"].replace("Z", "+00:00")) - timedelta(hours=hours)
        self.pipe.stack.client("dynamodb").update_item(
            TableName=self.pipe.stack.outputs["EventsTable"],
            Key={"pk": {"S": row["pk"]}, "sk": {"S": sk}},
            UpdateExpression="SET received_at = :then",
            ExpressionAttributeValues={":then": {"S": then.isoformat(timespec="milliseconds").replace("+00:00", "Z")}},
        )


@pytest.fixture
def scalapay(pipe: e2e.Pipe) -> Shop:
    return Shop(pipe, "scalapay")


@pytest.fixture
def scalev(pipe: e2e.Pipe) -> Shop:
    return Shop(pipe, "scalev")


@pytest.fixture
def shopline(pipe: e2e.Pipe) -> Shop:
    return Shop(pipe, "shopline")


@pytest.fixture
def selldone(pipe: e2e.Pipe) -> Shop:
    return Shop(pipe, "selldone")


# --- Scalapay: one token, no id and no time in the body ----------------------


def payment(token: str, status: str, **more: object) -> dict:
    return {"merchantReference": "order-1", "totalAmount": "100.00", "status": status, "orderToken": token} | more


def refund(token: str, amount: str) -> dict:
    return payment(token, "refunded", refundAmount={"amount": amount, "currency": "EUR"})


def stamped(seconds: int) -> dict[str, str]:
    return {signing.SCALAPAY_TIMESTAMP.replace("-", "_"): str(1_780_000_000_000 + seconds * 1_000)}


def test_a_payment_from_created_to_refunded_twice(scalapay: Shop) -> None:
    token = "CLAIMREFND"
    steps = [payment(token, "created"), payment(token, "authorized"), payment(token, "charged")]
    for seconds, body in enumerate([*steps, refund(token, "10.00"), refund(token, "20.00")]):
        scalapay.send(body, **stamped(seconds))
    assert len(scalapay.rows(token)) == 5, "two refunds of different bodies are two events"
    assert set(scalapay.marks(token).values()) == {None}

    # Equal bytes and timestamp: the very same delivery.
    scalapay.send(refund(token, "10.00"), **stamped(3))
    assert len(scalapay.rows(token)) == 5

    # Equal bytes, signed again: a repeat or a second refund of that amount. Nobody can know.
    scalapay.send(refund(token, "10.00"), **stamped(9))
    marked = {sk: row for sk, row in scalapay.rows(token).items() if row.get("mark")}
    [(again, row)] = marked.items()
    assert row["mark"] == "possiblyrepeated" and len(scalapay.rows(token)) == 6
    first = row["body_of"]
    assert again.startswith(first) and "body" not in row
    # And that one again is a repeat of itself.
    scalapay.send(refund(token, "10.00"), **stamped(9))
    assert len(scalapay.rows(token)) == 6

    events = scalapay.events(token)
    assert {sk for sk, event in events.items() if event.get("possiblyrepeated")} == {again}
    assert events[again]["data"] == events[first]["data"], "its content is its first body's"
    view = scalapay.view(token)
    assert (view["payment_state"], view["refunded"]) == ("refunded", "30")


def test_created_comes_once_however_it_is_signed(scalapay: Shop) -> None:
    token = "CLAIMONCE1"
    scalapay.send(payment(token, "created"), **stamped(0))
    scalapay.send(payment(token, "created"), **stamped(60))
    assert scalapay.marks(token) == {"created/~": None}
    # The merchant may change its reference: another body of the same happening.
    scalapay.send(payment(token, "created", merchantReference="order-2"), **stamped(120))
    assert sorted(scalapay.marks(token).values(), key=str) == [None, "revision"]
    assert sorted(event.get("revision", False) for event in scalapay.events(token).values()) == [False, True]


# --- Scalev: an id for every event --------------------------------------------


def order(order_id: str, number: int, word: str = "order.created", **data: object) -> dict:
    stamp = f"2026-01-01T00:00:{number:02}Z"
    order = {"order_id": order_id, "status": "pending", "last_updated_at": stamp}
    return {"event": word, "unique_id": f"event_{order_id}{number}", "timestamp": stamp, "data": order | data}


def test_another_body_under_one_id_is_a_conflict(scalev: Shop) -> None:
    body, other = order("CLAIM1", 1), order("CLAIM1", 1, status="canceled")
    scalev.send(body, other, body, other)
    rows = scalev.rows("CLAIM1")
    first = "order.created/event_CLAIM11"
    assert len(rows) == 2 and rows[first].get("mark") is None
    [second] = [sk for sk in rows if sk != first]
    assert second.startswith(first) and rows[second]["mark"] == "conflict"
    assert {sk: scalev.pipe.body(row) for sk, row in rows.items()} == {
        first: json.dumps(body).encode(),
        second: json.dumps(other).encode(),
    }
    assert {sk for sk, event in scalev.events("CLAIM1").items() if event.get("conflict")} == {second}


def test_an_order_with_and_without_its_internal_id_is_one_order(scalev: Shop) -> None:
    internal = "01948092-9b80-7f91-b23d-000000000001"
    created = order("CLAIM2", 1)
    paid = order("CLAIM2", 2, "order.payment_status_changed", id=internal, payment_status="paid")
    shipped = order("CLAIM2", 3, "order.status_changed", status="shipped")
    scalev.send(created, paid, shipped)
    assert len(scalev.rows("CLAIM2")) == 3
    view = scalev.view("CLAIM2")
    assert (view["order_state"], view["payment_state"]) == ("shipped", "paid")
    others = [pk for pk in scalev.pipe.views("scalev", scalev.name) if internal in pk]
    assert others == []


def test_a_test_event_without_an_id_is_known_by_its_bytes(scalev: Shop) -> None:
    test = {"event": "business.test_event", "timestamp": "2026-01-02T00:00:00Z", "data": {}}
    later = test | {"timestamp": "2026-01-02T00:00:01Z"}
    before = scalev.rows("~").keys()
    scalev.send(test, later, test, later)
    assert len(scalev.rows("~").keys() - before) == 2
    assert set(scalev.marks("~").values()) == {None}


# --- SHOPLINE: a trace id in the newer envelope only -----------------------------


def shopline_order(subject: str, word: str, status: str, second: int, trace: str | None) -> dict:
    resource = {"_id": subject, "status": status, "updated_at": f"2026-01-01T00:00:{second:02}.000Z"}
    body = MERCHANT | {"topic": word, "event": "Order", "resource": resource}
    if trace is None:
        return body
    return body | {"trace_id": trace, "ts": str((1_767_225_600 + second) * 10**9)}


STEPS = [
    ("order/create", "pending"),
    ("order/update", "confirmed"),
    ("order/update", "pending"),
    ("order/cancel", "cancelled"),
]


@pytest.mark.parametrize("with_trace", [True, False])
def test_an_order_that_goes_back_and_is_cancelled(shopline: Shop, with_trace: bool) -> None:
    subject = "a" * 23 + str(int(with_trace))
    bodies = [
        shopline_order(subject, word, status, second, f"trace-{second}" if with_trace else None)
        for second, (word, status) in enumerate(STEPS)
    ]
    # Each comes twice, the last ones first the second time.
    shopline.send(*bodies, *reversed(bodies))
    assert set(shopline.marks(subject).values()) == {None}
    assert len(shopline.rows(subject)) == 4
    if with_trace:
        words = [word.replace("/", "%2F") for word, _ in STEPS]
        assert set(shopline.rows(subject)) == {f"{word}/trace-{n}" for n, word in enumerate(words)}
    assert shopline.view(subject)["order_state"] == "cancelled"


def test_equal_updates_with_other_trace_ids_are_two_events(shopline: Shop) -> None:
    subject = "b" * 24
    shopline.send(*(shopline_order(subject, "order/update", "confirmed", 1, f"trace-{n}") for n in range(3)))
    assert len(shopline.rows(subject)) == 3


def test_one_trace_id_over_two_bodies_is_a_conflict(shopline: Shop) -> None:
    subject = "c" * 24
    bodies = [shopline_order(subject, "order/update", status, 1, "trace") for status in ("confirmed", "pending")]
    shopline.send(*bodies)
    # The same content with its keys in another order is the same body.
    shopline.send(dict(reversed(bodies[0].items())))
    assert sorted(shopline.marks(subject).values(), key=str) == [None, "conflict"]


def test_sign_ins_inside_and_beyond_the_horizon(shopline: Shop) -> None:
    subject = "d" * 24
    sign_in = MERCHANT | {"topic": "user/sign_in", "event": "User", "resource": {"_id": subject}}
    shopline.send(sign_in, sign_in)
    [first] = shopline.rows(subject)
    # Two days cover the provider's resends.
    shopline.age(subject, first, hours=47.9)
    shopline.send(sign_in)
    assert set(shopline.rows(subject)) == {first}
    shopline.age(subject, first, hours=0.2)
    shopline.send(sign_in, sign_in)
    assert set(shopline.rows(subject)) == {first, f"{first}~2"}
    shopline.age(subject, f"{first}~2", hours=49)
    race(shopline, sign_in)
    assert set(shopline.marks(subject).items()) == {(first, None), (f"{first}~2", None), (f"{first}~3", None)}
    assert {event["type"] for event in shopline.events(subject).values()} == {"customer.signed_in"}


# --- Selldone: no id, no signature --------------------------------------------


def basket(number: int, action: str, second: int = 0, event: str = "OnlineOrder", **more: object) -> dict:
    stamp = f"2026-01-01T00:00:{second:02}.000000Z"
    basket = {"id": number, "status": "Reserved", "currency": "USD", "updated_at": stamp}
    return {"event": event, "action": action, "shop": {"id": 1}, "basket": basket | more}


def test_a_fresh_snapshot_of_one_happening_is_a_revision(selldone: Shop) -> None:
    bodies = [basket(70_001, "CheckoutOrder", second) for second in (0, 1)]
    selldone.send(*bodies, *bodies)
    subject = "1:OnlineOrder:70001"
    assert sorted(selldone.marks(subject).values(), key=str) == [None, "revision"]
    assert sorted(event.get("revision", False) for event in selldone.events(subject).values()) == [False, True]


def test_actions_that_come_again_are_known_by_the_version(selldone: Shop) -> None:
    sent = [basket(70_002, "SentOrder", second, delivery_info={"tracking_code": str(second)}) for second in (0, 1)]
    selldone.send(*sent, *sent)
    assert len(selldone.rows("1:OnlineOrder:70002")) == 2
    assert set(selldone.marks("1:OnlineOrder:70002").values()) == {None}


def test_kinds_of_orders_have_numbers_of_their_own(selldone: Shop) -> None:
    prices = {"OnlineOrder": "Payed", "PosOrder": "Canceled", "AvocadoOrder": "Reserved", "HyperOrder": "Open"}
    for kind, status in prices.items():
        selldone.send(basket(70_003, "CheckoutOrder", event=kind, status=status))
    for kind in prices:
        selldone.events(f"1:{kind}:70003")
    selldone.pipe.wait_for_views()
    views = selldone.pipe.views("selldone", selldone.name)
    states = [views[selldone.pk(f"1:{kind}:70003")].get("order_state") for kind in prices]
    assert len(set(states)) > 1, "one number, and still not one order"


# --- All at once --------------------------------------------------------------


def race(shop: Shop, body: dict) -> None:
    """Sends one delivery by several clients at once."""
    answers = shop.pipe.send_all([(shop.provider, shop.event(body))] * RACERS, clients=RACERS)
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"")}


RACES = {
    "scalev": ("RACE1", order("RACE1", 1)),
    "scalapay": ("RACECHARGE", payment("RACECHARGE", "charged")),
    "shopline": ("e" * 24, MERCHANT | {"topic": "user/sign_in", "resource": {"_id": "e" * 24}}),
    "selldone": ("1:OnlineOrder:70009", basket(70_009, "CancelProduct")),
}


@pytest.mark.parametrize("provider", RACES)
def test_one_delivery_by_many_at_once_is_one_event(pipe: e2e.Pipe, provider: str) -> None:
    shop, (subject, body) = Shop(pipe, provider), RACES[provider]
    race(shop, body)
    assert list(shop.marks(subject).values()) == [None]
    [event] = shop.events(subject).values()
    assert e2e_checks.cloudevents_faults(event) == []


def test_two_bodies_of_one_name_at_once_are_two_events(pipe: e2e.Pipe) -> None:
    shop = Shop(pipe, "scalev")
    bodies = [order("RACE2", 1), order("RACE2", 1, status="canceled")]
    answers = pipe.send_all([("scalev", shop.event(body)) for body in bodies * 4], clients=RACERS)
    assert {answer.status for answer in answers} == {200}
    assert sorted(shop.marks("RACE2").values(), key=str) == [None, "conflict"]
