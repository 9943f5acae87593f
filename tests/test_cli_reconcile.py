"""`hookmill reconcile` on the deployed stack: what webhooks did not bring is fetched, kept, relayed and joined."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import e2e, provider_api
from tests.cli import Cli
from tests.local.stack import ROOT
from tests.provider_api import CREDENTIAL, Api

SOURCE = "shopline/tw-reconcile"
PAYMENTS = "scalapay/it-reconcile"
# Its orders are forgotten.
FORGOTTEN = "shopline/tw-forgotten"
TOKEN = "21KLT3YDWT"
ORDERS = 30
BROUGHT = 20
RESPONSES = ROOT / "shared/platforms/tests/responses"


@pytest.fixture(scope="module")
def api(pipe: e2e.Pipe) -> Iterator[Api]:
    with provider_api.serving() as api, provider_api.own_accounts(pipe.stack):
        provider_api.put_account(pipe.stack, SOURCE, api.shop)
        provider_api.put_account(pipe.stack, PAYMENTS, {"api_key": CREDENTIAL, "base_url": api.base})
        yield api


def name(number: int) -> str:
    return f"642a51c8d3f0a1000fd5{number:04x}"


def minute(number: int, hour: int) -> str:
    return f"2026-01-05T{hour:02}:{number:02}:00.000Z"


def order(number: int, status: str, hour: int) -> dict:
    """Returns an order as the API has it."""
    answer = json.loads((RESPONSES / "shopline/order.json").read_text())
    answer |= {"id": name(number), "status": status, "updated_at": minute(number, hour)}
    answer["order_payment"] |= {"status": "completed", "updated_at": minute(number, hour)}
    return answer


def delivery(pipe: e2e.Pipe, number: int, status: str, hour: int, purpose: str = "reconcile") -> dict:
    """Returns a webhook about an order, signed for the purpose's copy of the source."""
    event = copy.deepcopy(e2e.sample("shopline", "order.update.new"))
    body = json.loads(event["body"])
    time = datetime.fromisoformat(minute(number, hour)).astimezone(UTC)
    body["resource"] |= {"_id": name(number), "status": status, "updated_at": minute(number, hour)}
    body |= {"ts": str(int(time.timestamp()) * 10**9), "trace_id": f"{name(number)}-{status}-{hour}"}
    event["body"] = json.dumps(body, separators=(",", ":"))
    return pipe.signed("shopline", event, purpose)


def states(pipe: e2e.Pipe) -> dict[str, str]:
    views = pipe.views("shopline", "tw-reconcile")
    return {key.rsplit("/", 1)[1]: view["order_state"] for key, view in views.items()}


@pytest.fixture(scope="module")
def brought(pipe: e2e.Pipe, api: Api) -> dict[str, str]:
    """Thirty orders at the provider, of which webhooks brought twenty."""
    api.orders = [order(number, "completed" if number >= BROUGHT else "pending", 10) for number in range(ORDERS)]
    for number in range(BROUGHT):
        assert pipe.send("shopline", delivery(pipe, number, "pending", 10)).status == 200
    rows = pipe.rows("shopline", "tw-reconcile")
    assert len(rows) == BROUGHT
    pipe.wait_for_messages(rows)
    pipe.wait_for_views()
    return states(pipe)


def test_what_never_came_is_fetched_and_nothing_is_doubled(
    cli: Cli, pipe: e2e.Pipe, api: Api, brought: dict[str, str]
) -> None:
    assert len(brought) == BROUGHT
    line = ("--json", "reconcile", "--source", SOURCE, "--from", "2026-01-01")
    dry = cli.run(*line)
    assert dry.code == 1, dry
    *orders, summary = dry.lines
    missing = {f"{SOURCE}/{name(number)}" for number in range(BROUGHT, ORDERS)}
    assert {compared["order"] for compared in orders} == missing
    assert (summary["compared"], summary["missing"], summary["equal"]) == (ORDERS, ORDERS - BROUGHT, BROUGHT)
    assert len(pipe.rows("shopline", "tw-reconcile")) == BROUGHT

    wet = cli.run(*line, "--yes")
    assert (wet.code, wet.lines[-1]["kept"]) == (0, ORDERS - BROUGHT), wet
    kept = [event for compared in wet.lines[:-1] for event in compared["events"]]
    messages = pipe.wait_for_messages(kept)
    for event_id, message in messages.items():
        event = message.event
        assert (event["origin"], event["type"], event["data"]["status"]["state"]) == (
            "reconcile",
            "order.updated",
            "completed",
        )
        assert pipe.read(event_id) == event
    pipe.wait_for_views()
    assert states(pipe) == brought | {name(number): "completed" for number in range(BROUGHT, ORDERS)}
    rows = pipe.rows("shopline", "tw-reconcile")
    assert {rows[event_id]["origin"] for event_id in kept} == {"reconcile"}
    again = cli.run(*line, "--yes")
    assert (again.code, again.lines) == (0, [again.lines[-1]])
    assert (again.lines[-1]["equal"], again.lines[-1]["kept"]) == (ORDERS, 0)
    assert len(pipe.rows("shopline", "tw-reconcile")) == ORDERS


def test_late_webhooks_change_nothing_and_later_ones_do(
    cli: Cli, pipe: e2e.Pipe, api: Api, brought: dict[str, str]
) -> None:
    cli.run("reconcile", "--source", SOURCE, "--from", "2026-01-01", "--yes")
    for number in range(BROUGHT, ORDERS):
        assert pipe.send("shopline", delivery(pipe, number, "pending", 9)).status == 200
    assert pipe.send("shopline", delivery(pipe, BROUGHT, "cancelled", 11)).status == 200
    rows = pipe.rows("shopline", "tw-reconcile")
    assert len(rows) == 2 * ORDERS - BROUGHT + 1
    pipe.wait_for_messages(rows)
    pipe.wait_for_views()
    expected = {name(number): "completed" for number in range(BROUGHT, ORDERS)} | {name(BROUGHT): "cancelled"}
    assert states(pipe) == brought | expected
    (shown,) = cli.json("orders", "show", f"{SOURCE}/{name(ORDERS - 1)}", "--view")
    assert (shown["current"], len(shown["events"])) == (True, 2)
    # What the webhook leaves out is as it was fetched.
    assert shown["view"]["order"]["number"] == "20210126080841ba2"
    listed = cli.json("events", "list", "--source", SOURCE, "--limit", "1000")
    assert sum("reconcile" in line["marks"] for line in listed) == ORDERS - BROUGHT


def test_refunds_get_their_amounts(cli: Cli, pipe: e2e.Pipe, api: Api) -> None:
    for case in ("created", "charged.after_created", "refunded"):
        event = pipe.signed("scalapay", e2e.sample("scalapay", case), "reconcile")
        assert pipe.send("scalapay", event).status == 200
    key = f"{PAYMENTS}/{TOKEN}"
    pipe.wait_for_messages(pipe.rows("scalapay", "it-reconcile"))
    pipe.wait_for_views()
    assert pipe.views("scalapay", "it-reconcile")[key]["refunded"] == "unknown"
    answer = (ROOT / "events/scalapay/snapshots/payment.charged.json").read_text()
    api.payments[TOKEN] = json.loads(json.loads(answer)["answer"])
    answer = (ROOT / "events/scalapay/snapshots/refund.json").read_text()
    api.refunds = [json.loads(json.loads(answer)["answer"])]
    for kept in (2, 0):
        ran = cli.run("--json", "reconcile", "--source", PAYMENTS, "--since", "1h", "--yes")
        assert (ran.code, ran.lines[-1]["kept"]) == (0, kept), ran
        pipe.wait_for_messages(pipe.rows("scalapay", "it-reconcile"))
        pipe.wait_for_views()
        assert str(pipe.views("scalapay", "it-reconcile")[key]["refunded"]) == "20"


def test_a_failure_in_the_middle_is_reported_and_the_same_again_goes_on(
    cli: Cli, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = [order(100 + number, "pending", 10) | {"updated_at": minute(number, 12)} for number in range(10)]
    monkeypatch.setattr(api, "orders", several)
    line = ("--json", "reconcile", "--source", SOURCE, "--from", "2026-01-01", "--yes")
    answer, calls = api.route, 0

    def second_page_fails(*arguments) -> tuple[int, object]:
        nonlocal calls
        calls += 1
        return (500, {}) if 2 <= calls <= 5 else answer(*arguments)

    monkeypatch.setattr(api, "route", second_page_fails)
    ran = cli.run(*line)
    assert (ran.code, ran.lines[-1]["complete"], ran.lines[-1]["kept"]) == (5, False, provider_api.ORDERS_A_PAGE), ran
    assert "keeps nothing twice" in ran.err
    rest = cli.run(*line)
    assert (rest.code, rest.lines[-1]["kept"]) == (0, 10 - provider_api.ORDERS_A_PAGE), rest


def test_what_was_forgotten_is_not_fetched_unless_it_is_named(
    cli: Cli, pipe: e2e.Pipe, api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unchanged, changed, missing = range(3)
    for number in (unchanged, changed):
        assert pipe.send("shopline", delivery(pipe, number, "pending", 10, "forgotten")).status == 200
    rows = pipe.rows("shopline", "tw-forgotten")
    pipe.wait_for_messages(rows)
    pipe.wait_for_views()
    forget = ("forget", "order", *(f"{FORGOTTEN}/{name(number)}" for number in (unchanged, changed)))
    erased = cli.json(*forget, "--yes", "--run-file", str(tmp_path / "run.jsonl"))
    assert erased[-1]["events"] == len(rows) == 2

    provider_api.put_account(pipe.stack, FORGOTTEN, api.shop)
    theirs = [order(unchanged, "pending", 10), order(changed, "completed", 11), order(missing, "pending", 10)]
    monkeypatch.setattr(api, "orders", theirs)
    listed = cli.run("--json", "reconcile", "--source", FORGOTTEN, "--from", "2026-01-01", "--yes")
    assert listed.code == 0, listed
    *orders, summary = listed.lines
    assert [line["order"] for line in orders] == [f"{FORGOTTEN}/{name(missing)}"]
    assert (summary["compared"], summary["missing"], summary["behind"], summary["kept"]) == (3, 1, 0, 1)
    assert pipe.rows("shopline", "tw-forgotten").keys() == rows.keys() | set(orders[0]["events"])

    named = cli.run("--json", "reconcile", "--source", FORGOTTEN, "--order", name(changed), "--yes")
    assert (named.code, named.lines[-1]["kept"]) == (0, 1), named
    (event_id,) = named.lines[0]["events"]
    message = pipe.wait_for_messages([event_id])[event_id]
    assert (message.event["subject"], message.event["origin"]) == (name(changed), "reconcile")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "no orders were selected"),
        (("--order", "600f"), 4, "1 gone"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), 2, "is empty"),
    ],
)
def test_what_cannot_be_compared_is_reported(cli: Cli, api: Api, arguments: tuple[str, ...], code: int, message: str) -> None:
    ran = cli.run("reconcile", "--source", SOURCE, *arguments)
    assert (ran.code, message in ran.out + ran.err) == (code, True), ran
