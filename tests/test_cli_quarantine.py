"""`hookmill quarantine`: what a wrong key refused, taken in when the key is right."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests import e2e
from tests.cli import Cli
from tests.local import signing
from tests.test_e2e_secrets import fresh, restart

SOURCE = "scalev/late"
CASES = ("order.created.2026", "order.status_changed.2026", "order.payment_status_changed.paid", "payment.failed")


@pytest.fixture(scope="module")
def right() -> dict:
    """The key that the provider signs with."""
    key = secrets.token_urlsafe(32)
    return {"scheme": "signed", "signing_keys": [key], "url_tokens": [], "merchants": "any"}


@pytest.fixture(scope="module", autouse=True)
def late(cli: Cli, pipe: e2e.Pipe) -> Iterator[None]:
    """A source that was set up with a wrong key; gone afterwards."""
    with fresh(pipe, "scalev"):
        (added,) = cli.json("sources", "add", SOURCE, "--any-merchant", "--key-env", "WRONG", WRONG="a mistyped key")
        assert added["source"] == SOURCE and "a mistyped key" not in json.dumps(added)
        yield


def deliver(pipe: e2e.Pipe, source: dict, event: e2e.Event, name: str = "late") -> int:
    """Delivers to a source, signed for it, and returns the answer."""
    return pipe.send("scalev", signing.sign("scalev", copy.deepcopy(event) | {"rawPath": f"/{name}"}, source)).status


def orders(count: int) -> list[e2e.Event]:
    """Deliveries of orders of their own."""
    events = []
    for number in range(count):
        event = e2e.sample("scalev", "order.created.2026")
        body = json.loads(event["body"])
        body["unique_id"], body["data"]["order_id"] = f"event_killed{number}", f"KILLED{number}"
        events.append(event | {"body": json.dumps(body)})
    return events


def test_what_a_wrong_key_refused_is_taken_in(cli: Cli, pipe: e2e.Pipe, right: dict) -> None:
    events = [e2e.sample("scalev", case) for case in CASES]
    assert [deliver(pipe, right, event) for event in events] == [401] * len(CASES)
    listed = cli.json("quarantine", "list", "--source", SOURCE)
    assert [(line["reason"], line["passes"], line["now"]) for line in listed] == [("mismatch", False, "mismatch")] * 4
    # An order's body has a secret in it, and is sealed.
    slug = json.loads(events[0]["body"])["data"]["secret_slug"]
    refused = pipe.refused("scalev", "late")
    assert sorted(line["kept"] for line in listed) == ["sealed", "whole", "whole", "whole"]
    assert not any(slug in str(row) or slug.encode() in e2e.decompress(row["body"]) for row in refused)
    received = {line["name"]: line["received"] for line in listed}

    (begun,) = cli.json("sources", "rotate", SOURCE, "--key-env", "RIGHT", RIGHT=right["signing_keys"][0])
    assert len(begun["keys"]) == 2
    listed = cli.json("quarantine", "list", "--source", SOURCE, "--passing")
    assert len(listed) == 4
    (shown,) = cli.json("quarantine", "show", listed[0]["name"])
    assert shown["fingerprint"] == begun["keys"][0] and slug not in json.dumps(shown)
    assert cli.run("quarantine", "admit", "--source", SOURCE).code == 0
    assert pipe.rows("scalev", "late") == {}

    lines = cli.json("quarantine", "admit", "--source", SOURCE, "--yes")
    assert [(line["outcome"], line["freed"]) for line in lines] == [("new", True)] * 4
    rows = pipe.rows("scalev", "late")
    assert {line["id"]: line["received"] for line in lines} == {name: row["refused_at"] for name, row in rows.items()}
    # For whoever reads in order they are new.
    assert all(row["received_at"] > row["refused_at"] for row in rows.values())
    assert {line["name"]: line["received"] for line in lines} == received
    for event, line in zip(events, lines, strict=True):
        row = rows[line["id"]]
        assert row["hash"] == e2e.sha256(signing.body_bytes(event)) and row["fingerprint"] == begun["keys"][0]
    assert cli.json("quarantine", "list", "--source", SOURCE) == []

    messages = pipe.wait_for_messages(rows)
    times = {datetime.fromisoformat(message.event["receivedtime"]) for message in messages.values()}
    assert times == {datetime.fromisoformat(time) for time in received.values()}
    pipe.wait_for_views()
    assert pipe.views("scalev", "late")

    # What the provider sends again is known.
    restart(pipe, "scalev")
    assert [deliver(pipe, right, event) for event in events] == [200] * len(CASES)
    assert pipe.rows("scalev", "late") == rows


def test_a_killed_run_is_run_again(cli: Cli, pipe: e2e.Pipe, right: dict) -> None:
    restart(pipe, "scalev")
    wrong = right | {"signing_keys": ["the key that comes next"]}
    before = pipe.rows("scalev", "late")
    events = orders(12)
    assert {deliver(pipe, wrong, event) for event in events} == {401}
    cli.json("sources", "rotate", SOURCE, "--key-env", "NEXT", NEXT=wrong["signing_keys"][0])
    names = {line["name"] for line in cli.json("quarantine", "list", "--source", SOURCE, "--passing")}
    assert len(names) == len(events)
    printed = 0
    for _ in range(3):
        process = cli.start("--json", "quarantine", "admit", "--source", SOURCE, "--yes")
        assert process.stdout
        printed += bool(process.stdout.readline())
        process.kill()
        process.communicate(timeout=30)
    assert printed >= 1
    rest = cli.json("quarantine", "admit", "--source", SOURCE, "--yes")
    assert {line["outcome"] for line in rest} <= {"new", "repeat"}
    added = pipe.rows("scalev", "late").keys() - before.keys()
    assert len(added) == len(events) and not any("~" in name for name in added)
    assert cli.json("quarantine", "list", "--source", SOURCE) == []
    assert set(pipe.wait_for_messages(added)) == added


def test_a_source_that_was_not_there_yet(cli: Cli, pipe: e2e.Pipe, right: dict) -> None:
    restart(pipe, "scalev")
    event = e2e.sample("scalev", "order.deleted.2026")
    assert deliver(pipe, right, event, "early") == 401
    named = [line for line in cli.json("quarantine", "list", "--provider", "scalev") if line.get("named") == "early"]
    assert [(line["source"], line["now"]) for line in named] == [("~", "unknown_source")]
    refused = cli.run("--json", "quarantine", "admit", named[0]["name"], "--yes")
    assert (refused.code, refused.lines[0]["outcome"]) == (1, "refused")
    cli.json("sources", "add", "scalev/early", "--any-merchant", "--key-env", "K", K=right["signing_keys"][0])
    (line,) = cli.json("quarantine", "admit", "--source", "scalev/early", "--yes")
    assert line["outcome"] == "new" and list(pipe.rows("scalev", "early")) == [line["id"]]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("show", "scalev/late/9999"), 4, "nothing is in quarantine"),
        (("show", "scalev/late"), 2, "<provider>/<source>/<slot>"),
        (("list", "--reason", "no"), 2, "a reason is one of"),
    ],
)
def test_what_cannot_be_asked_is_reported(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    ran = cli.run("quarantine", *arguments)
    assert (ran.code, message in ran.err, ran.out) == (code, True, ""), ran
