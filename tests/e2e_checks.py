"""Rules for messages, and for secrets that must be gone from kept bodies: by the specifications, not by our code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import jsonschema

from tests.local.stack import ROOT

if TYPE_CHECKING:
    from tests.e2e import Message

SCHEMA = ROOT / "shared" / "webhook" / "event.schema.json"

# --- What a message must be ------------------------------------------------


def schema() -> jsonschema.Draft202012Validator:
    """Returns the contract of the queues' messages."""
    assert SCHEMA.exists(), f"{SCHEMA.relative_to(ROOT)} is missing"
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def schema_faults(messages: Iterable[Message]) -> list[str]:
    """Returns where messages depart from the schema."""
    validator = schema()
    return [
        f"{message.event['id']}: {fault.json_path}: {fault.message[:200]}"
        for message in messages
        for fault in validator.iter_errors(message.event)
    ]


REQUIRED = ("id", "source", "specversion", "type")
URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:" + URI_REFERENCE.pattern)
MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:;.*)?")


def cloudevents_faults(event: dict) -> list[str]:
    """Returns what is wrong with a structured CloudEvent, by the text of version 1.0 and its JSON format."""
    attributes = {name: value for name, value in event.items() if name not in ("data", "data_base64")}
    faults = [f"{name} is missing" for name in REQUIRED if not event.get(name)]
    if event.get("specversion") != "1.0":
        faults.append("specversion is not 1.0")
    for name, value in attributes.items():
        if not re.fullmatch(r"[a-z0-9]+", name):
            faults.append(f"{name} is not an attribute name")
        if isinstance(value, bool):
            continue
        if isinstance(value, int):
            if not -(2**31) <= value < 2**31:
                faults.append(f"{name} is not an Integer")
        elif not isinstance(value, str):
            faults.append(f"{name} is a {type(value).__name__}")
        elif any(not allowed_character(character) for character in value):
            faults.append(f"{name} holds a character that no String may")
    patterns = {"source": URI_REFERENCE, "dataref": URI_REFERENCE, "dataschema": URI, "datacontenttype": MEDIA_TYPE}
    for name, pattern in patterns.items():
        if name in event and not pattern.fullmatch(event[name]):
            faults.append(f"{name} is not of its form: {event[name]!r}")
    for name in ("time", "receivedtime"):
        if name in event and not is_rfc3339(event[name]):
            faults.append(f"{name} is not a Timestamp: {event[name]!r}")
    if event.get("subject") == "":
        faults.append("subject is empty")
    if "data" in event and "dataref" in event:
        faults.append("it has both data and dataref")
    return faults


def allowed_character(character: str) -> bool:
    """CloudEvents 1.0, type system, String: no control characters, surrogates or non-characters."""
    code = ord(character)
    control = code <= 0x1F or 0x7F <= code <= 0x9F
    return not (control or 0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE)


def is_rfc3339(text: str) -> bool:
    parts = re.fullmatch(r"(\d{4})(-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not parts:
        return False
    # Python knows no year 0 and no leap second; 2000 has every day.
    datetime.fromisoformat("2000" + parts[2])
    return True


# --- What depends on the time of arrival ------------------------------------


def without_arrival(event: dict) -> dict:
    """Returns the event without its time of arrival, which `sequence` has too where the provider gives no order."""
    sequence = event["sequence"]
    if is_ordered_by_arrival(event):
        sequence = sequence.replace(arrival(event), "(arrival)")
    return event | {"receivedtime": "(arrival)", "sequence": sequence}


def is_ordered_by_arrival(event: dict) -> bool:
    """Returns whether the time of arrival decides the event's place, if only among its like.

    In class 3 the times are the provider's.
    """
    return not event["sequence"].startswith("3.") and arrival(event) in event["sequence"]


def arrival(event: dict) -> str:
    """Returns when the delivery came, as its `sequence` has it: nanoseconds in twenty digits."""
    received = datetime.fromisoformat(event["receivedtime"].replace("Z", "+00:00"))
    since = received - datetime.fromtimestamp(0, timezone.utc)
    return f"{since // timedelta(microseconds=1) * 1_000:020}"


# --- Redacted secrets -----------------------------------------------------------

# The places in bodies of values that are secrets themselves, by the providers' documents.
SECRET_PATHS = {
    "scalev": (("data", "secret_slug"), ("data", "recovery_url"), ("data", "order", "secret_slug")),
    "scalapay": (),
    "shopline": (
        ("resource", "token"),
        ("resource", "access_token"),
        ("resource", "refresh_token"),
        ("resource", "payment_data", "*"),
        ("resource", "order_payment", "payment_data", "*"),
    ),
    "selldone": (
        ("basket", "code"),
        ("basket", "hash"),
        ("basket", "session"),
        ("basket", "items", "*", "virtual_items", "*", "data"),
        ("basket", "items", "*", "virtualItems", "*", "data"),
    ),
}
DECODER = json.JSONDecoder(strict=False)
SPACE = re.compile(r"[ \t\r\n]*")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
# A secret of at least this length is recognised in other values too.
COPIED_CHARACTERS_MIN = 12


def without_secrets(provider: str, body: bytes) -> tuple[bytes, list[str]]:
    """Returns a JSON body with its secrets redacted, every other byte as it was, and the secrets' texts."""
    text = body.decode()
    found = {place for path in SECRET_PATHS[provider] for place in spans(text, 0, path) if text[slice(*place)] != "null"}
    values = [DECODER.decode(text[slice(*place)]) for place in found]
    long = [value for value in values if isinstance(value, str) and len(value) >= COPIED_CHARACTERS_MIN]
    for match in STRING.finditer(text):
        # A member's name is not a value.
        if text[SPACE.match(text, match.end()).end()] != ":":
            found |= {match.span() for value in long if value in DECODER.decode(match[0])}
    cut = []
    for start, end in sorted(found, reverse=True):
        cut.append(text[start:end])
        text = text[:start] + '"~cut"' + text[end:]
    return text.encode(), cut


def spans(text: str, at: int, path: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Yields the places of the values at a path of member names; `*` is every name and every item of a list."""
    at = SPACE.match(text, at).end()
    if not path:
        yield at, DECODER.raw_decode(text, at)[1]
        return
    if text[at] not in ("{" if path[0] != "*" else "{["):
        return
    is_list, at = text[at] == "[", SPACE.match(text, at + 1).end()
    while text[at] not in "}]":
        name = "*"
        if not is_list:
            name, at = DECODER.raw_decode(text, at)
            at = SPACE.match(text, text.index(":", at) + 1).end()
        if path[0] in (name, "*"):
            yield from spans(text, at, path[1:])
        at = SPACE.match(text, DECODER.raw_decode(text, at)[1]).end()
        if text[at] == ",":
            at = SPACE.match(text, at + 1).end()
