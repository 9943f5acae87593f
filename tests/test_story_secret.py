"""A wrong key for a day: what `docs/sources.md` describes, on the deployed stack.

The shop's webhooks come to a URL whose token the secret does not have. Thirty orders are refused; the quarantine keeps
what its cap allows. In the end all thirty are there, once.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests import e2e, provider_api
from tests.cli import Cli
from tests.local import signing
from tests.local import stack as local
from tests.provider_api import Api
from tests.test_cli_reconcile import minute, name, order
from tests.test_e2e_secrets import fresh, restart

SOURCE = "shopline/night"
ORDERS = 30


@pytest.fixture(scope="module")
def token() -> str:
    """The token in the URL that the shop has."""
    return secrets.token_urlsafe(32)


@pytest.fixture(scope="module", autouse=True)
def night(cli: Cli, pipe: e2e.Pipe) -> Iterator[None]:
    """A source that was set up with another token than the shop's URL has; gone afterwards."""
    with fresh(pipe, "shopline"):
        cli.json("sources", "add", SOURCE, "--scheme", "url-token", "--any-merchant")
        yield


@pytest.fixture(scope="module")
def api(pipe: e2e.Pipe) -> Iterator[Api]:
    with provider_api.serving() as api, provider_api.own_accounts(pipe.stack):
        api.orders = [order(number, "completed", 10) for number in range(ORDERS)]
        provider_api.put_account(pipe.stack, SOURCE, api.shop)
        yield api


def delivery(number: int, token: str) -> e2e.Event:
    """Returns the webhook of an order that was completed."""
    event = e2e.sample("shopline", "order.update.new")
    body = json.loads(event["body"])
    time = datetime.fromisoformat(minute(number, 10)).astimezone(UTC)
    body["resource"] |= {"_id": name(number), "status": "completed", "updated_at": minute(number, 10)}
    body |= {"ts": str(int(time.timestamp()) * 10**9), "trace_id": f"{name(number)}-night"}
    event["body"] = json.dumps(body, separators=(",", ":"))
    source = {"scheme": "url_token", "url_tokens": [token]}
    return signing.sign("shopline", event | {"rawPath": "/night"}, source)


def problems(cli: Cli) -> list[dict]:
    ran = cli.run("--json", "doctor", "--only", "quarantine")
    return [line for line in ran.lines if line.get("state") == "problem" and SOURCE in line.get("message", "")]


def test_the_story(cli: Cli, pipe: e2e.Pipe, api: Api, token: str) -> None:
    events = [delivery(number, token) for number in range(ORDERS)]
    assert [pipe.send("shopline", event).status for event in events] == [401] * ORDERS
    assert pipe.rows("shopline", "night") == {}

    # The alarm hears of refusals by the receivers' own figure, and says what to type.
    client = pipe.stack.client("cloudwatch")
    (alarm,) = client.describe_alarms(AlarmNames=[pipe.stack.physical("ShoplineRefuses")])["MetricAlarms"]
    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
    assert dimensions == {"stack": local.STACK_NAME, "provider": "shopline", "outcome": "refused"}
    assert "hookmill doctor" in alarm["AlarmDescription"]

    # Doctor names the key.
    (problem,) = problems(cli)
    assert "the key is probably wrong" in problem["message"]
    assert f"{cli.name} sources rotate {SOURCE}" in problem["next"]
    assert f"{cli.name} quarantine admit --source {SOURCE}" in problem["next"]

    # The token of the URL that the shop has is put right; the other one goes when nothing uses it.
    (rotated,) = cli.json("sources", "rotate", SOURCE, "--key-env", "RIGHT", RIGHT=token)
    assert len(rotated["keys"]) == 2

    # What the cap kept is admitted as of when it came.
    refused = cli.json("quarantine", "list", "--source", SOURCE, "--passing")
    received = {line["name"]: line["received"] for line in refused}
    assert 0 < len(refused) < ORDERS
    admitted = cli.json("quarantine", "admit", "--source", SOURCE, "--yes")
    assert {line["name"]: line["received"] for line in admitted} == received
    assert {line["outcome"] for line in admitted} == {"new"}
    rows = pipe.rows("shopline", "night")
    assert {row["refused_at"] for row in rows.values()} == set(received.values())
    pipe.wait_for_messages(rows)
    pipe.wait_for_views()

    # The rest comes from the shop itself.
    line = ("reconcile", "--source", SOURCE, "--from", "2026-01-01")
    dry = cli.run("--json", *line)
    assert (dry.code, dry.lines[-1]["missing"]) == (1, ORDERS - len(refused)), dry
    done = cli.json(*line, "--yes")
    assert done[-1]["kept"] == ORDERS - len(refused)

    # Nothing is missing, and nothing is there twice.
    rows = pipe.rows("shopline", "night")
    assert len(rows) == ORDERS
    messages = pipe.wait_for_messages(rows)
    subjects = [message.event["subject"] for message in messages.values()]
    assert sorted(subjects) == [name(number) for number in range(ORDERS)]
    pipe.wait_for_views()
    views = pipe.views("shopline", "night")
    assert {key.rsplit("/", 1)[1]: view["order_state"] for key, view in views.items()} == {
        name(number): "completed" for number in range(ORDERS)
    }
    assert cli.json(*line)[-1]["missing"] == 0

    # A webhook that the shop sends again is known, or is where reconciling put it; no view changes.
    restart(pipe, "shopline")
    assert [pipe.send("shopline", event).status for event in events] == [200] * ORDERS
    rows = pipe.rows("shopline", "night")
    assert len(rows) == 2 * ORDERS - len(refused)
    pipe.wait_for_messages(rows)
    pipe.wait_for_views()
    again = pipe.views("shopline", "night")
    assert {key: view["order_state"] for key, view in again.items()} == {
        key: view["order_state"] for key, view in views.items()
    }
    assert problems(cli) == []
