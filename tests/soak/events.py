"""The providers' events: orders with their histories, and everything else, each event once.

The sample deliveries are the templates.  Every order has ids, amounts and times of its own, so that whatever
gets mixed up shows.  Who makes a history knows where it must end: each event has what it states of its order
and its place among the order's events.
"""

from __future__ import annotations

import base64
import copy
import functools
import json
import random
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from tests.local import run, signing
from tests.soak import names

Source = tuple[str, str]  # provider and source

BEGINNING = datetime(2026, 1, 1, tzinfo=timezone.utc)
# Their types concern orders: such events have a place in a view.
VIEW_FAMILIES = ("order", "payment", "fulfillment", "return")
# So many orders come with notes that the table cannot hold in one row.
LONG = 1 / 30
LONG_BYTES = 450_000
TW_MERCHANT = "5fc5ea00c43d7f001003999d"


@dataclass(frozen=True)
class Request:
    """One HTTP request, as it goes over the wire."""

    provider: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Event:
    """One thing that happened at a provider: what is sent of it, and what must become of it."""

    id: str
    request: Request
    # Its canonical type, if the template's reading has one.
    type: str | None
    # Its part in an order's view: if any, its place there, and its value for each axis.
    in_view: bool
    place: tuple = ()
    states: tuple[tuple[str, str], ...] = ()

    @property
    def subject(self) -> str:
        """The partition key: the order, or whatever else it is about."""
        return "/".join(self.id.split("/")[:3])


class Providers:
    """Makes events, always others, and the same ones for the same seed."""

    def __init__(self, sources: dict[str, dict], chance: random.Random) -> None:
        self.sources = sources
        self.chance = chance
        self.made = 0
        self.known: set[str] = set()
        self.histories = {
            ("scalev", "main"): self.scalev,
            ("scalev", "apps"): self.scalev,
            ("scalapay", "it"): self.scalapay,
            ("shopline", "tw"): self.shopline,
            ("shopline", "app"): self.shopline,
            ("selldone", "main"): self.selldone,
        }

    def history(self) -> list[Event]:
        """Returns a new order's events, in the order in which they happened."""
        source = self.chance.choice(list(self.histories))
        self.made += 1
        return self.histories[source](source)

    def stray(self) -> Event:
        """Returns one sample delivery with ids of its own: every case there is comes up sooner or later."""
        self.made += 1
        file = self.chance.choice(sample_files())
        provider = file.parent.name
        sample = load(file)
        source = (provider, signing.source_name(sample))
        body = self.renamed(provider, signing.body_bytes(sample))
        event = self.event(source, sample, body)
        if event.id in self.known:
            # Without an id or a time, an event differs from others by its bytes alone.
            event = self.event(source, sample, marked(body, self.made))
        self.known.add(event.id)
        return event

    # --- One history a provider

    def scalev(self, source: Source) -> list[Event]:
        """Statuses go back as well as forth; the order's time decides, then the event's."""
        order, id_, total = f"S{self.made:07}", self.uuid(), self.chance.randrange(10_000, 900_000)
        moment = self.moment()
        steps = [("order.created.2026", {"status": "pending", "payment_status": "unpaid"})]
        for status in self.some(list(SCALEV_STATUSES)):
            steps.append(("order.status_changed.shipped", {"status": status}))
        paid = ("order.payment_status_changed.paid", {"payment_status": "paid"})
        steps.insert(self.chance.randint(1, len(steps)), paid)
        if self.chance.random() < 0.5:
            steps.append(("payment.received.settled", {"payment_status": "settled"}))
        events = []
        for case, reported in steps:
            moment = self.later(moment)
            sample, body = template("scalev", case)
            body["unique_id"], body["timestamp"] = f"event_{self.token(24)}", iso(moment, "microseconds")
            body["data"] |= {"order_id": order, "id": id_, "last_updated_at": iso(moment, "seconds")} | reported
            states = {}
            if "status" in reported:
                states["order_state"], states["fulfillment_state"] = SCALEV_STATUSES[reported["status"]]
            if "payment_status" in reported:
                states["payment_state"] = SCALEV_PAYMENTS[reported["payment_status"]]
            if case == "order.created.2026":
                body["data"] |= {"gross_revenue": f"{total}.00", "secret_slug": self.token(20)}
                states["total"] = str(total)
                if self.chance.random() < LONG:
                    body["data"]["notes"] = base64.b64encode(self.chance.randbytes(LONG_BYTES)).decode()
            place = (moment.replace(microsecond=0), moment)
            # The type follows the status, which here is another than the template's.
            type_known = case == "order.created.2026"
            events.append(self.event(source, sample, dump(body), place, states, type_known=type_known))
        return events

    def scalapay(self, source: Source) -> list[Event]:
        """Makes a payment's history. Nothing in a delivery has a time: the status has a rank."""
        token, total = self.token(10).upper(), self.chance.randrange(20, 900) + 0.5
        steps = ["created", "authorized.after_created"]
        refunds = []
        if self.chance.random() < 0.2:
            steps.append("expired")
        else:
            steps.append("charged.after_created")
            refunds = [self.chance.randrange(1, 9) + 0.25 for _ in range(self.chance.choice((0, 0, 1, 2)))]
        events = []
        for case in steps + ["refunded.with_details"] * len(refunds):
            sample, body = template("scalapay", case)
            body |= {"orderToken": token, "totalAmount": total}
            rank, state = SCALAPAY_STATUSES[body["status"]]
            states = {"payment_state": state, "total": f"{total:g}"}
            if case == "created":
                body["orderDetails"]["totalAmount"]["amount"] = f"{total:.2f}"
                states["currency"] = "EUR"
            if case == "refunded.with_details":
                amount = refunds.pop()
                body["refundAmount"]["amount"] = f"{amount:.2f}"
                body["merchantRefundReference"] = f"refund-{self.made}-{len(refunds)}"
                states["refund"] = f"{amount:g}"
            events.append(self.event(source, sample, dump(body), (rank,), states))
        return events

    def shopline(self, source: Source) -> list[Event]:
        """Makes an order's history. A payment and a parcel have ids of their own and share it."""
        order, payment, parcel = self.hex(24), self.hex(24), self.hex(24)
        merchant = TW_MERCHANT if source[1] == "tw" else self.chance.choice(APP_MERCHANTS)
        total, moment = self.chance.randrange(100, 9_000), self.moment()
        events = []
        for case, states in self.shopline_steps(source):
            moment = self.later(moment)
            sample, body = template("shopline", case)
            nanoseconds = (moment - EPOCH) // timedelta(microseconds=1) * 1000 + self.chance.randrange(1000)
            body |= {"trace_id": self.uuid(), "ts": str(nanoseconds), "merchant_id": merchant}
            resource, topic = body["resource"], body["topic"]
            resource["updated_at"] = iso(moment, "milliseconds")
            states = dict(states)
            if topic.startswith("order/"):
                resource["_id"] = order
                resource["total"] |= {"cents": total, "dollars": total, "label": f"NT${total}"}
                # For an order, the provider's words are ours.
                resource["status"] = states["order_state"]
                states |= {"total": str(total), "currency": "TWD"}
            else:
                own = payment if topic.startswith("order_payment/") else parcel
                resource |= {"_id": own, "order_id": order}
            if "order_payment" in resource:
                resource["order_payment"]["_id"], resource["order_delivery"]["_id"] = payment, parcel
                states |= {"payment_state": "pending", "fulfillment_state": "pending"}
            events.append(self.event(source, sample, dump(body), (nanoseconds,), states))
        return events

    def shopline_steps(self, source: Source) -> list[tuple[str, dict]]:
        create = "order.create.new" if source[1] == "tw" else "order.create.app"
        steps = [
            (create, {"order_state": "pending"}),
            ("order_payment.update.new", {"payment_state": "pending"}),
            ("order_payment.complete.new", {"payment_state": "paid"}),
            ("order.confirm.new", {"order_state": "confirmed"}),
            ("order_delivery.update.shipped.new", {"fulfillment_state": "shipped"}),
            ("order_delivery.update.arrived.new", {"fulfillment_state": "arrived"}),
            ("order.complete.new", {"order_state": "completed"}),
        ]
        # An order may be taken back to where it was.
        back = ("order.update.back.new", {"order_state": "pending"})
        refund = ("order_payment.refund.new", {"payment_state": "refunded"})
        steps = steps[: self.chance.randint(2, len(steps))]
        return steps + [step for step in (back, refund) if self.chance.random() < 0.2]

    def selldone(self, source: Source) -> list[Event]:
        """Makes an order's history, without any id: the order, the action and when the order last changed."""
        basket, payment, moment = 1_000_000 + self.made, 500_000 + self.made, self.moment()
        actions = list(SELLDONE_STEPS)[: self.chance.randint(2, len(SELLDONE_STEPS))]
        events = []
        for action in actions:
            moment += timedelta(seconds=self.chance.randint(1, 900))
            sample, body = template("selldone", f"OnlineOrder.{action}")
            updated_at = iso(moment, "microseconds")
            body["basket"] |= {"id": basket, "updated_at": updated_at, "code": self.token(16)}
            if body["basket"]["payment_id"] is not None:
                body["basket"]["payment_id"] = payment
            axes = ("order_state", "payment_state", "fulfillment_state")
            states = dict(zip(axes, SELLDONE_STEPS[action], strict=True)) | {"currency": body["basket"]["currency"]}
            events.append(self.event(source, sample, dump(body), (moment,), states))
        return events

    # --- Parts

    def event(
        self,
        source: Source,
        sample: dict,
        body: bytes,
        place: tuple = (),
        states: dict[str, str] | None = None,
        *,
        type_known: bool = True,
    ) -> Event:
        """Returns an event with this body, signed for its source."""
        provider, name = source
        scheme = self.sources[provider]["sources"][name]
        request = signed(sample, provider, name, scheme, body)
        id_ = names.event_id(provider, name, scheme, body, dict(request.headers))
        reading = sample["reading"]
        in_view = reading["type"].split(".")[0] in VIEW_FAMILIES and not nameless(id_)
        type_ = reading["type"] if type_known else None
        return Event(id_, request, type_, in_view, place, tuple((states or {}).items()))

    def renamed(self, provider: str, body: bytes) -> bytes:
        """Returns the body with its ids replaced everywhere, and every other byte as it was."""
        for pattern, make in IDS[provider]:
            found = pattern.search(body)
            if found:
                body = body.replace(found[1], getattr(self, make)(len(found[1])).encode())
        return body

    def some(self, words: list[str]) -> list[str]:
        return [self.chance.choice(words) for _ in range(self.chance.randint(1, 5))]

    def moment(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.chance.randrange(20_000_000))

    def later(self, moment: datetime) -> datetime:
        return moment + timedelta(microseconds=self.chance.randint(1_000_000, 90_000_000))

    def token(self, length: int) -> str:
        return "".join(self.chance.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=length))

    def hex(self, length: int) -> str:
        return "".join(self.chance.choices("0123456789abcdef", k=length))

    def uuid(self, _: int = 36) -> str:
        return "-".join(self.hex(length) for length in (8, 4, 4, 4, 12))

    def event_token(self, length: int) -> str:
        return "event_" + self.token(length - len("event_"))

    def number(self, _: int) -> str:
        return str(3_000_000 + self.made)


# --- The providers' words ----------------------------------------------------

# By status: the order's state, and its parcel's.
SCALEV_STATUSES = {
    "pending": ("pending", "pending"),
    "confirmed": ("confirmed", "pending"),
    "in_process": ("processing", "preparing"),
    "ready": ("ready", "ready"),
    "shipped": ("shipped", "shipped"),
    "completed": ("completed", "delivered"),
    "shipped_rts": ("returning", "returning"),
    "rts": ("returned", "returned"),
    "canceled": ("cancelled", "cancelled"),
}
SCALEV_PAYMENTS = {"unpaid": "pending", "paid": "paid", "settled": "settled"}
SCALAPAY_STATUSES = {
    "created": (1, "pending"),
    "authorized": (2, "authorized"),
    "expired": (3, "expired"),
    "charged": (4, "paid"),
    "refunded": (5, "refunded"),
}
APP_MERCHANTS = ("5f0bda5e4e5fca0010c81fef", "5f0e8941c68746000897e1f7")
# By action, for an order that is paid at once: the order, its payment, its parcel.
SELLDONE_STEPS = {
    "CheckoutOrder": ("pending", "pending", "pending"),
    "PaymentOrder": ("pending", "paid", "pending"),
    "OrderConfirm": ("confirmed", "paid", "pending"),
    "PreparingOrder": ("confirmed", "paid", "preparing"),
    "SentOrder": ("confirmed", "paid", "shipped"),
    "ToCustomer": ("confirmed", "paid", "delivered"),
}

# The places of ids in a body, and what makes another of the same kind.
IDS = {
    "scalev": (
        (re.compile(rb'"unique_id"\s*:\s*"(event_\w+)"'), "event_token"),
        (re.compile(rb'"order_id"\s*:\s*"(\w+)"'), "token"),
        (re.compile(rb'"data"\s*:\s*\{\s*"id"\s*:\s*"([0-9a-f-]{36})"'), "uuid"),
    ),
    "scalapay": ((re.compile(rb'"orderToken"\s*:\s*"(\w+)"'), "token"),),
    "shopline": (
        (re.compile(rb'"trace_id"\s*:\s*"([0-9a-f-]{36})"'), "uuid"),
        (re.compile(rb'"_id"\s*:\s*"([0-9a-f]{24})"'), "hex"),
        (re.compile(rb'"order_id"\s*:\s*"([0-9a-f]{24})"'), "hex"),
    ),
    "selldone": (
        (re.compile(rb'"basket"\s*:\s*\{\s*"id"\s*:\s*(\d+)'), "number"),
        (re.compile(rb'"product"\s*:\s*\{\s*"id"\s*:\s*(\d+)'), "number"),
        (re.compile(rb'"customer"\s*:\s*\{\s*"id"\s*:\s*(\d+)'), "number"),
    ),
}


# --- Requests ----------------------------------------------------------------

EPOCH = datetime.fromtimestamp(0, timezone.utc)


def signed(sample: dict, provider: str, source: str, scheme: dict, body: bytes) -> Request:
    """Returns a request with this body and the rest of the sample's, signed with the scheme's keys."""
    event = {
        "rawPath": f"/{source}",
        "rawQueryString": sample.get("rawQueryString", ""),
        "headers": dict(run.sent_headers(sample)),
        "requestContext": {"http": {"method": "POST", "path": f"/{source}"}},
        "body": body.decode("utf-8"),
    }
    if provider == "shopline" and scheme["scheme"] == "signed":
        event["headers"].setdefault(signing.SHOPLINE_TIMESTAMP, "1780000000")
    event = signing.sign(provider, event, scheme)
    return Request(provider, event["rawPath"], event["rawQueryString"], tuple(event["headers"].items()), body)


def marked(body: bytes, number: int, name: str = "soak") -> bytes:
    """Returns the body with a member of ours in front, which no receiver knows."""
    return body.replace(b"{", f'{{"{name}":"{number}",'.encode(), 1)


def nameless(id_: str) -> bool:
    """Returns whether an event names nothing that it is about."""
    subject = id_.split("/")[2]
    return subject == names.MISSING or subject.endswith(":" + names.MISSING)


def iso(moment: datetime, precision: str) -> str:
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def dump(document: dict) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


@functools.cache
def sample_files() -> tuple:
    return tuple(run.cases())


@functools.cache
def load(file) -> dict:
    """Returns a sample request, with its reading beside it."""
    reading = json.loads(file.with_suffix(".event.json").read_text(encoding="utf-8"))
    return json.loads(file.read_text(encoding="utf-8")) | {"reading": reading}


def template(provider: str, case: str) -> tuple[dict, dict]:
    """Returns a sample request and its body, to be changed."""
    sample = load(run.EVENTS / provider / f"{case}.json")
    return sample, copy.deepcopy(json.loads(signing.body_bytes(sample)))
