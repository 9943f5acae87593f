"""`hookmill events` and `hookmill orders`: what arrived, and the orders' state."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests import e2e
from tests.cli import Cli, binary, environment
from tests.local import signing

SOURCE = "shopline/tw-look"


@pytest.fixture(scope="module")
def sent(cli: Cli, pipe: e2e.Pipe) -> list[str]:
    """The ids of all of SHOPLINE's merchant samples, sent to a source of these tests, once joined."""
    lines = [
        line
        for line in cli.run("--json", "send", "events/shopline", "--source", SOURCE).lines
        if line["answer"] == 200
    ]
    ids = sorted({line["id"] for line in lines})
    assert len(ids) > 20
    pipe.wait_for_messages(ids)
    pipe.wait_for_views()
    return ids


def test_the_list_has_every_event_once_by_time(cli: Cli, pipe: e2e.Pipe, sent: list[str]) -> None:
    listed = cli.json("events", "list", "--source", SOURCE, "--limit", "1000")
    assert sorted(line["id"] for line in listed) == sent
    received = [line["received"] for line in listed]
    assert received == sorted(received, reverse=True)
    rows = pipe.rows("shopline", "tw-look")
    assert all(rows[line["id"]]["received_at"] == line["received"] for line in listed)


def test_pages_join(cli: Cli, sent: list[str]) -> None:
    paged: list[str] = []
    while page := cli.json(
        "events", "list", "--source", SOURCE, "--limit", "7", *(("--after", paged[-1]) if paged else ())
    ):
        paged += [line["id"] for line in page]
    assert len(paged) == len(set(paged))
    assert sorted(paged) == sent


def test_lists_are_of_a_provider_a_type_or_a_range(cli: Cli, sent: list[str]) -> None:
    of_provider = cli.json("events", "list", "--provider", "shopline", "--limit", "1000")
    assert set(sent) <= {line["id"] for line in of_provider}
    orders = cli.json("events", "list", "--source", SOURCE, "--type", "order.*", "--limit", "1000")
    assert orders and all(line["type"].startswith("order.") for line in orders)
    assert cli.json("events", "list", "--source", SOURCE, "--from", "2020-01-01", "--to", "2020-01-02") == []
    assert len(cli.json("events", "list", "--source", SOURCE, "--since", "1h", "--limit", "1000")) == len(sent)


def test_an_event_is_shown_whole(cli: Cli, pipe: e2e.Pipe, sent: list[str]) -> None:
    event_id = next(event_id for event_id in sent if "/order%2Fcreate/" in event_id)
    (shown,) = cli.json("events", "show", event_id, "--fields")
    assert shown["event"] == pipe.read(event_id)
    assert shown["delivery"]["key"] == "the current one"
    row = pipe.rows("shopline", "tw-look")[event_id]
    assert shown["delivery"]["fingerprint"] == row["fingerprint"]
    assert {"field": "data.id", "from": ["resource._id"]} in shown["fields"] or any(
        origin["field"] == "data.id" and origin["from"] for origin in shown["fields"]
    )
    assert cli.raw("events", "show", event_id, "--raw") == pipe.body(row)


def test_a_sample_is_kept_byte_by_byte(cli: Cli) -> None:
    (line,) = cli.json("send", "events/scalapay/charged.base64.json", "--source", "scalapay/it-look")
    sample = e2e.sample("scalapay", "charged.base64")
    assert cli.raw("events", "show", line["id"], "--raw") == signing.body_bytes(sample)


def test_an_order_is_shown_with_its_events(cli: Cli, pipe: e2e.Pipe, sent: list[str]) -> None:
    views = pipe.views("shopline", "tw-look")
    listed = cli.json("orders", "list", "--source", SOURCE, "--limit", "1000")
    assert {line["order"] for line in listed} == views.keys()
    states = ("order_state", "payment_state", "fulfillment_state", "total", "currency", "refunded")
    for line in listed:
        assert {name: line[name] for name in states if line[name]} == {
            name: views[line["order"]][name] for name in states if name in views[line["order"]]
        }
        (shown,) = cli.json("orders", "show", line["order"])
        of_order = [event_id for event_id in sent if event_id.startswith(line["order"] + "/")]
        assert sorted(event["id"] for event in shown["events"]) == of_order
        assert shown["current"]
    marked = [
        event
        for line in listed
        for event in cli.json("orders", "show", line["order"])[0]["events"]
        if event["late"] or event["superseded"]
    ]
    # The samples are sent by name, not in the order in which they happened.
    assert marked


def test_a_tail_prints_what_comes_and_ends_by_ctrl_c(cli: Cli) -> None:
    tail = cli.start("--json", "events", "tail", "--source", "scalapay/it-look", "--every", "1s")
    assert tail.stderr and tail.stdout
    assert "Following" in tail.stderr.readline()
    (sent,) = cli.json("send", "events/scalapay/expired.json", "--source", "scalapay/it-look", "--fresh")
    fresh = sent["kept"] != "repeat"
    if not fresh:
        # Another test has sent it before: a strong name is a repeat. A body of its own is not.
        (sent,) = cli.json("send", "events/scalapay/charged.json", "--source", "scalapay/it-look", "--fresh")
    found = tail.stdout.readline()
    assert sent["id"] in found
    tail.send_signal(signal.SIGINT)
    tail.communicate(timeout=10)
    assert tail.returncode == 0


def test_a_reader_that_goes_away_is_no_error(cli: Cli, sent: list[str]) -> None:
    process = cli.start("--json", "events", "list", "--source", SOURCE, "--limit", "1000")
    assert process.stdout
    process.stdout.close()
    assert process.stderr and process.stderr.read() == ""
    assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("events", "show", "shopline/tw-look/1/order%2Fcreate/none"), 4, "no event"),
        (("events", "show", "not-an-id"), 2, "not an event id"),
        (("events", "list", "--from", "2026-02-01", "--to", "2026-01-01"), 2, "is empty"),
        (("events", "list", "--since", "soon"), 2, "a span is"),
        (("orders", "show", "shopline/tw-look/none"), 4, "no order"),
        (("--stack", "nobodys", "orders", "list"), 3, "no stack named nobodys"),
    ],
)
def test_what_is_not_there_is_reported(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    ran = cli.run(*arguments)
    assert (ran.code, message in ran.err, ran.out) == (code, True, ""), ran


def test_without_credentials_region_or_endpoint_the_next_step_is_shown(cli: Cli, stack) -> None:
    there = ("--endpoint-url", stack.endpoint)
    for arguments, more, code, message in (
        (there, {"AWS_REGION": "us-east-1"}, 3, "no AWS credentials"),
        (there, {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, 3, "no AWS region"),
        ((), {}, 3, "no AWS region"),
        (("--profile", "nobodys", "--region", "us-east-1"), {}, 3, "no such profile"),
        (("--local=1",), {}, 5, "no connection"),
    ):
        ran = cli.run("--json", *arguments, "orders", "list", place=False, **more)
        assert (ran.code, message in ran.error["error"]) == (code, True), ran
        assert ran.error["next"]
        # Without a word about AWS the local stack may be wanted.
        assert "--local" in ran.error["next"] or "nobodys" in arguments


def test_completions_need_no_stack(cli: Cli) -> None:
    for shell in ("bash", "zsh", "fish"):
        ran = cli.run("completions", shell, place=False)
        assert ran.code == 0 and "hookmill" in ran.out


def test_help_names_every_exit_code(cli: Cli) -> None:
    ran = subprocess.run([binary(), "--help"], env=environment(cli.home), capture_output=True, text=True, check=True)
    for code in ("0", "1", "2", "3", "4", "5", "130"):
        assert f"\n  {code:>3}  " in ran.stdout
