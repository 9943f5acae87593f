"""The name that an event must have: the table "Keys and claims" of ARCHITECTURE.md, written down a second time.

Nothing here is shared with the receivers.  `tests/test_soak.py` holds it to the names of all samples.
"""

from __future__ import annotations

import hashlib
import json
from urllib.parse import quote

from tests.local import signing

MISSING = "~"

SHOPLINE_ORDERS = "order/"
SCALEV_INTENTS = "checkout_intent."
SCALAPAY_ONCE = ("created", "authorized", "expired")
SELLDONE_ORDERS = ("OnlineOrder", "PosOrder", "AvocadoOrder", "HyperOrder", "FulfillmentOrder")
SELLDONE_ONCE = ("CheckoutOrder", "PaymentOrder")
SELLDONE_STATES = ("OrderConfirm", "PreparingOrder", "SentOrder", "ToCustomer", "DeliveryCanceled")
SELLDONE_REPEATABLE = ("CancelProduct", "ReturnOrder")


def event_id(provider: str, source: str, scheme: dict, body: bytes, headers: dict[str, str]) -> str:
    """Returns the id under which a genuine delivery must be kept when the name is free."""
    document = json.loads(body.decode("utf-8"), parse_int=str, parse_float=str)
    subject, word, identity = CLAIMS[provider](document, body, scheme, headers)
    return "/".join((provider, source, subject, word, identity))


def part(*values: object) -> str:
    """Returns one part of a name: values joined by colons, a missing one explicit."""
    return ":".join(MISSING if value is None else encoded(str(value)) for value in values)


def encoded(value: str) -> str:
    """Encodes a value; letters, digits, `.`, `_` and `-` stay."""
    return quote(value, safe="").replace("~", "%7E")


def sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def at(document: object, *path: str) -> object:
    """Returns the value at a path of member names, if it is a text or a number."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, str) else None


Claim = tuple[str, str, str]


def scalev(document: dict, body: bytes, scheme: dict, _: dict) -> Claim:
    event, order, id_ = at(document, "event"), at(document, "data", "order_id"), at(document, "data", "id")
    business = ("client_id", "unique_id", "username")
    reported = [at(document, "data", "business", name) for name in business]
    if event.startswith(SCALEV_INTENTS):
        subject = part(id_)
    elif scheme.get("several_merchants") and order is not None:
        subject = part(id_) if id_ else part(next((name for name in reported if name), None), order)
    else:
        subject = part(order if order is not None else id_)
    unique = at(document, "unique_id")
    return subject, part(event), part(unique) if unique else sha256(body)


def scalapay(document: dict, body: bytes, _: dict, __: dict) -> Claim:
    token, status = at(document, "orderToken"), at(document, "status").lower()
    name = at(document, "merchantRefundReference") or at(document, "refundToken")
    refunded_at = at(document, "refundedAt")
    if status in SCALAPAY_ONCE:
        identity = MISSING
    elif status == "refunded" and name and refunded_at:
        identity = part(f"{name}@{refunded_at}")
    else:
        identity = sha256(body)
    return part(token), part(status), identity


def shopline(document: dict, body: bytes, scheme: dict, headers: dict) -> Claim:
    topic, trace = at(document, "topic"), at(document, "trace_id")
    own = at(document, "resource", "_id") or at(document, "resource", "id")
    order = at(document, "resource", "order_id")
    id_ = own or order if topic.startswith(SHOPLINE_ORDERS) else order or own
    if scheme["scheme"] == "signed":
        subject = part(at(document, "merchant_id"), id_)
        said = signing.shopline_message(body, headers[signing.SHOPLINE_TIMESTAMP])
    else:
        subject = part(id_)
        said = signing.shopline_message(body, "").removeprefix(b":")
    return subject, part(topic), part(trace) if trace else sha256(said)


def selldone(document: dict, body: bytes, _: dict, __: dict) -> Claim:
    shop, event, action = at(document, "shop", "id"), at(document, "event"), at(document, "action")
    word = part(event, action) if action else part(event)
    hash_ = sha256(body)
    basket, product, customer = (at(document, name, "id") for name in ("basket", "product", "customer"))
    if event == "Inventory":
        variant = at(document, "variant", "id")
        updated_at = at(document, "variant", "updated_at") or at(document, "product", "updated_at")
        return part(shop, "Inventory", product), word, f"{part(variant, updated_at)}:{hash_}"
    if event in ("Register", "Leave"):
        return part(shop, "Customer", customer), word, hash_
    updated_at = at(document, "basket", "updated_at")
    identity = hash_
    if basket and event in SELLDONE_ORDERS:
        if action in SELLDONE_ONCE:
            identity = MISSING
        elif action in SELLDONE_STATES and updated_at:
            identity = part(updated_at)
        elif action in SELLDONE_REPEATABLE:
            identity = f"{part(updated_at)}:{hash_}"
    return part(shop, event, basket), word, identity


CLAIMS = {"scalev": scalev, "scalapay": scalapay, "shopline": shopline, "selldone": selldone}
