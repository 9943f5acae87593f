"""500 deliveries once in order, and again twice each in random order by eight clients at once: the same end.

HOOKMILL_SEED=<number> tries another order.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
import re
import string
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests import e2e, e2e_checks
from tests.local import run, signing

DELIVERIES = 500
CLIENTS = 8
# Anywhere in a body these name an order, a part of it or an event about it.
NAMES = {
    "scalev": re.compile(r"\d{6}[A-Z]{6}|event_\w+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "scalapay": re.compile(r"[0-9A-Z]{10}"),
    "shopline": re.compile(r"[0-9a-f]{24}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
# The merchant that the source `tw` is bound to stays.
KEPT_NAMES = ("5fc5ea00c43d7f001003999d",)
TIMESTAMP_UNITS = {signing.SCALAPAY_TIMESTAMP: 1_000, signing.SHOPLINE_TIMESTAMP: 1}
DAY_SECONDS = 86_400
# Attributes that differ with every arrival.
OF_ARRIVAL = ("pk", "sk", "received_at", "bucket", "fingerprint", "headers", "body", "etag", "view")


@dataclass
class Ends:
    """The results of both ways of sending, under the names of the samples' sources."""

    kept: list[str]
    rows: dict[str, dict[str, e2e.Row]]
    views: dict[str, dict[str, e2e.Row]]


@pytest.fixture(scope="module")
def ends(pipe: e2e.Pipe) -> Ends:
    seed = int(os.environ.get("HOOKMILL_SEED", "20261121"))
    print(f"HOOKMILL_SEED={seed}")
    deliveries = histories()
    once = [(provider, pipe.signed(provider, event, "once")) for provider, event in deliveries]
    twice = [(provider, pipe.signed(provider, event, "twice")) for provider, event in deliveries] * 2
    random.Random(seed).shuffle(twice)

    answers = pipe.send_in_order(once) + pipe.send_all(twice, CLIENTS)
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"")}
    found = {purpose: rows(pipe, purpose) for purpose in ("once", "twice")}
    pipe.wait_for_messages(event_id for purpose in found.values() for event_id in purpose)
    pipe.wait_for_views()
    named = {
        purpose: {sample_name(event_id, purpose): row for event_id, row in kept.items()}
        for purpose, kept in found.items()
    }
    return Ends(sorted(named["once"]), named, {purpose: views(pipe, purpose) for purpose in found})


def test_each_delivery_is_kept_once(ends: Ends) -> None:
    assert len(ends.kept) == DELIVERIES
    assert sorted(ends.rows["twice"]) == ends.kept


def test_the_rows_are_the_same(ends: Ends) -> None:
    for event_id in ends.kept:
        assert ends.rows["twice"][event_id] == ends.rows["once"][event_id], event_id


def test_the_order_views_are_the_same(ends: Ends) -> None:
    assert sorted(ends.views["twice"]) == sorted(ends.views["once"])
    assert len(ends.views["once"]) > 80
    for pk, view in ends.views["once"].items():
        assert ends.views["twice"][pk] == view, pk


def test_nothing_ended_as_a_dead_letter(pipe: e2e.Pipe, ends: Ends) -> None:
    assert set(pipe.dead_letters().values()) == {0}


# --- The histories ---------------------------------------------------------


def histories() -> list[tuple[str, dict]]:
    """Returns the samples' histories, as of one shop day after another, until there are enough deliveries.

    Left out are samples to which the provider gives neither a time nor a rank, or only a rank that comes
    again and again, so that the time of arrival decides and random order ends elsewhere: SHOPLINE's older
    envelope without `ts` and `updated_at`, Selldone's kinds without times and what is in no provider's tables.
    So are those without the id that would make them deliveries of another order.
    """
    readings = {file: e2e.reading(file) for file in run.cases()}
    files = [
        file
        for file, reading in readings.items()
        if not e2e_checks.is_ordered_by_arrival(reading) and not reading.get("changedshape")
    ]
    copies = -(-DELIVERIES // len(files))
    deliveries = [(file.parent.name, of_day(file, number)) for number in range(1, copies + 1) for file in files]
    return deliveries[:DELIVERIES]


def of_day(file: Path, number: int) -> dict:
    """Returns a sample delivery of another order, some days later; the same names change in the same way."""
    provider, event = file.parent.name, json.loads(file.read_text(encoding="utf-8"))
    text = signing.body_bytes(event).decode()
    if provider == "selldone":
        # Ids are numbers there. Small ones are the shop, which the source is bound to, and its owner.
        text = re.sub(r'("(?:\w+_)?id":"?)(\d{4,})', lambda m: m[1] + str(int(m[2]) + number * 1_000_000), text)
    else:
        text = re.sub(f'"({NAMES[provider].pattern})"', lambda m: f'"{renamed(m[1], number)}"', text)
    text = re.sub(r"\b(20\d\d-\d\d-\d\d)(?=[T ]\d\d:)", lambda m: later(m[1], number), text)
    text = re.sub(r'"ts":"(\d{19})"', lambda m: f'"ts":"{int(m[1]) + number * DAY_SECONDS * 10**9}"', text)

    event = copy.deepcopy(event)
    if event["isBase64Encoded"]:
        event = event | e2e.request(provider, "", text.encode()) | {key: event[key] for key in ("rawPath", "headers")}
    else:
        event["body"] = text
    for header, unit in TIMESTAMP_UNITS.items():
        if header in event["headers"]:
            event["headers"][header] = str(int(event["headers"][header]) + number * DAY_SECONDS * unit)
    return event


def renamed(name: str, number: int) -> str:
    """Returns another name of the same form, always the same one."""
    if name in KEPT_NAMES:
        return name
    prefix, _, rest = name.rpartition("_")
    source = random.Random(hashlib.sha256(f"{number}:{name}".encode()).digest())
    hexadecimal = all(character in "0123456789abcdef-" for character in rest)
    lower = "abcdef" if hexadecimal else string.ascii_lowercase
    classes = [string.digits, string.ascii_uppercase, lower]
    other = "".join(next((source.choice(c) for c in classes if old in c), old) for old in rest)
    return f"{prefix}_{other}" if prefix else other


def later(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


# --- What they led to ------------------------------------------------------


def rows(pipe: e2e.Pipe, purpose: str) -> dict[str, e2e.Row]:
    """Returns the purpose's rows by their ids: what an arrival has of its own left out, bodies decompressed."""
    kept = {}
    for provider, name in own_sources(pipe, purpose):
        for event_id, row in pipe.rows(provider, name).items():
            compared = {attribute: value for attribute, value in row.items() if attribute not in OF_ARRIVAL}
            kept[event_id] = compared | {"body": pipe.body(row)}
    return kept


def views(pipe: e2e.Pipe, purpose: str) -> dict[str, e2e.Row]:
    """Returns the purpose's order views under the samples' names."""
    kept = {}
    for provider, name in own_sources(pipe, purpose):
        for pk, row in pipe.views(provider, name).items():
            compared = {attribute: value for attribute, value in row.items() if attribute not in OF_ARRIVAL}
            view = json.loads(sample_name(row["view"], purpose))
            # What was announced on the way depends on the way; the facts that hold now are the view's.
            del view["facts"]
            kept[sample_name(pk, purpose)] = compared | {"view": view}
    return kept


def own_sources(pipe: e2e.Pipe, purpose: str) -> list[tuple[str, str]]:
    return [
        (provider, name)
        for provider, secret in pipe.stack.sources.items()
        for name in secret["sources"]
        if name.endswith(f"-{purpose}")
    ]


def sample_name(text: str, purpose: str) -> str:
    """Returns the text with the sample's source for the purpose's copy of it, wherever an event is named."""
    return text.replace(f"-{purpose}/", "/")
