"""`hookmill subscriptions` on the deployed stack, with a provider that the tests play."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import e2e, provider_api
from tests.cli import Cli, Ran
from tests.provider_api import CREDENTIAL, Api

SOURCE = "shopline/tw-hooks"
ONE = ("--source", SOURCE)


@pytest.fixture
def api(pipe: e2e.Pipe) -> Iterator[Api]:
    with provider_api.serving() as api, provider_api.own_accounts(pipe.stack):
        provider_api.put_account(pipe.stack, SOURCE, api.shop)
        yield api


@pytest.fixture
def token(pipe: e2e.Pipe) -> str:
    """The source's URL token, which nothing may print."""
    return pipe.source("shopline", "tw-hooks")["url_tokens"][0]


def clean(ran: Ran, token: str) -> Ran:
    assert token not in ran.out + ran.err and CREDENTIAL not in ran.out + ran.err
    return ran


def test_a_source_is_registered_once_and_then_all_is_well(cli: Cli, api: Api, token: str) -> None:
    assert clean(cli.run("--json", "subscriptions", "check", *ONE), token).lines[0]["finding"] == "missing"
    (made,) = clean(cli.run("--json", "subscriptions", "create", *ONE), token).lines
    assert made["ours"] and "order/create" in made["topics"] and made["status"] == "active"
    # What was registered is the whole URL, where the source is listening.
    (webhook,) = api.webhooks.values()
    assert webhook["address"].endswith(f"/tw-hooks/{token}")
    again = clean(cli.run("subscriptions", "create", *ONE), token)
    assert (again.code, "Nothing is left to create" in again.err, len(api.webhooks)) == (0, True, 1)
    checked = clean(cli.run("subscriptions", "check", *ONE), token)
    assert (checked.code, "all is as it should be" in checked.err) == (0, True)
    (listed,) = clean(cli.run("--json", "subscriptions", "list", *ONE), token).lines
    assert listed == made
    assert {"format", "merchant_id", "created_at", "updated_at", "topics", "address", "status", "id"} <= listed.keys()
    (one,) = clean(cli.run("--json", "subscriptions", "get", made["id"], *ONE), token).lines
    assert one == listed
    text = clean(cli.run("subscriptions", "get", made["id"], *ONE), token).out
    assert "merchant  5fc5ea00c43d7f001003999d" in text


def test_what_was_registered_is_delivered_to(cli: Cli, api: Api, pipe: e2e.Pipe, token: str) -> None:
    cli.json("subscriptions", "create", *ONE, "--topic", "order/create")
    (webhook,) = api.webhooks.values()
    event = e2e.sample("shopline", "order.create.new")
    path = webhook["address"].split("lambda-url/", 1)[1].split("/", 1)[1]
    answer = pipe.request("shopline", f"/{path}", event["body"].encode(), [("content-type", "application/json")])
    assert answer.status == 200


def test_changes_are_dry_runs_first(cli: Cli, api: Api, token: str) -> None:
    old = {"address": f"https://old.example/tw/{token}", "topics": ["order/create"]}
    api.webhooks["5f8e"] = provider_api.webhook("5f8e", old)
    (planned,) = clean(cli.run("--json", "subscriptions", "update", "5f8e", *ONE), token).lines
    assert (planned["done"], planned["before"]["ours"], planned["after"]["ours"]) == (False, False, True)
    assert api.webhooks["5f8e"]["address"] == old["address"]
    (changed,) = clean(cli.run("--json", "subscriptions", "update", "5f8e", *ONE, "--yes"), token).lines
    assert changed["done"] and api.webhooks["5f8e"]["address"].endswith(f"/tw-hooks/{token}")
    assert "Nothing was removed" in clean(cli.run("subscriptions", "delete", "5f8e", *ONE), token).err
    assert "5f8e" in api.webhooks
    assert clean(cli.run("subscriptions", "delete", "5f8e", *ONE, "--yes"), token).code == 0
    assert api.webhooks == {}
    assert cli.run("subscriptions", "get", "5f8e", *ONE).code == 4


def test_a_lost_answer_is_reported_and_made_good_by_the_same_again(cli: Cli, api: Api, token: str) -> None:
    api.loses_answers = True
    ran = clean(cli.run("--json", "subscriptions", "create", *ONE, "--topic", "order/create"), token)
    assert (ran.code, "may have happened" in ran.error["next"], len(api.webhooks)) == (5, True, 1)
    api.loses_answers = False
    assert cli.run("subscriptions", "create", *ONE, "--topic", "order/create").code == 0
    assert len(api.webhooks) == 1


def test_what_a_check_finds_has_its_exit(cli: Cli, api: Api, token: str) -> None:
    cli.json("subscriptions", "create", *ONE, "--topic", "order/create")
    (webhook,) = api.webhooks.values()
    webhook["status"] = "removed"
    ran = clean(cli.run("--json", "subscriptions", "check", *ONE), token)
    assert (ran.code, ran.lines[0]["severity"], ran.lines[0]["finding"]) == (1, "alarm", "inactive")
    assert f"{cli.name} reconcile" in ran.lines[0]["next"]


@pytest.mark.parametrize(("status", "code"), [(401, 3), (404, 4), (500, 5)])
def test_failures_have_their_exits(cli: Cli, api: Api, token: str, status: int, code: int) -> None:
    api.fail(status, 10)
    ran = clean(cli.run("--json", "subscriptions", "get", "5f8e", *ONE), token)
    assert (ran.code, bool(ran.error["next"])) == (code, True)


def test_what_has_no_account_or_no_api_is_reported(cli: Cli, api: Api, pipe: e2e.Pipe) -> None:
    ran = cli.run("--json", "subscriptions", "list", "--source", "shopline/app-hooks")
    assert (ran.code, f"{cli.name} accounts set shopline/app-hooks" in ran.error["next"]) == (3, True)
    provider_api.put_account(pipe.stack, "scalapay/it-hooks", {"api_key": CREDENTIAL, "base_url": api.base})
    ran = cli.run("--json", "subscriptions", "create", "--source", "scalapay/it-hooks")
    assert (ran.code, "Partner Portal" in ran.error["next"]) == (2, True)
