"""`hookmill sources` and `hookmill accounts`: the secrets of the deployed stack, by one operator and by several."""

from __future__ import annotations

import dataclasses
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import e2e, provider_api
from tests.cli import Cli
from tests.local import sources
from tests.test_e2e_secrets import fresh, restart


@pytest.fixture(scope="module", autouse=True)
def own_secrets(pipe: e2e.Pipe) -> Iterator[None]:
    """Both providers' secrets as they were, afterwards."""
    with fresh(pipe, "scalapay"), fresh(pipe, "selldone"):
        yield


def current(pipe: e2e.Pipe, name: str) -> dict:
    """Returns a secret's value."""
    return sources.read_secret(pipe.stack.client("secretsmanager"), pipe.stack.outputs[name]) or {}


def post(url: str, case: str) -> int:
    """Posts a sample's body to a URL as an operator would enter it, and returns the answer."""
    request = urllib.request.Request(url, e2e.sample("selldone", case)["body"].encode(), method="POST")
    request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_url_that_was_printed_works_and_is_rotated(cli: Cli, pipe: e2e.Pipe) -> None:
    name = "selldone/rotating"
    (added,) = cli.json("sources", "add", name, "--merchant", "1")
    assert post(added["url"], "OnlineOrder.CheckoutOrder") == 200
    (line,) = cli.json("sources", "list", "--source", name)
    assert line["keys"] == [added["fingerprint"]]
    token = added["url"].rsplit("/", 1)[1]
    assert token not in json.dumps(cli.json("sources", "list"))

    restart(pipe, "selldone")
    (begun,) = cli.json("sources", "rotate", name)
    assert begun["keys"][1] == added["fingerprint"] and begun["url"] != added["url"]
    status = cli.json("sources", "rotate", name, "--status")
    assert [(key["place"], key["used"]) for key in status] == [("newest", "not known"), ("old", "in use")]
    refused = cli.run("--json", "sources", "rotate", name, "--finish")
    assert refused.code == 1 and "is still used" in refused.error["error"]
    assert post(begun["url"], "OnlineOrder.PaymentOrder") == 200
    assert post(added["url"], "OnlineOrder.OrderConfirm") == 200
    # What came by the old URL is soon no longer within the horizon that is asked for here.
    lately = ("--horizon", "3s")
    status = ("sources", "rotate", name, "--status", *lately)
    e2e.wait_until(lambda: cli.json(*status)[1]["events"] == 0, "the old URL is in use")
    assert post(begun["url"], "OnlineOrder.SentOrder") == 200
    finished = cli.json("sources", "rotate", name, "--finish", *lately)
    assert [key["used"] for key in finished] == ["in use", "removed"]
    restart(pipe, "selldone")
    assert (post(begun["url"], "OnlineOrder.ToCustomer.cod"), post(added["url"], "OnlineOrder.ToCustomer.cod")) == (200, 401)

    (due,) = cli.json("sources", "remove", name)
    assert (due["outcome"], due["events"]) == ("due", 5)
    (removed,) = cli.json("sources", "remove", name, "--yes")
    assert removed["outcome"] == "removed" and len(pipe.rows("selldone", "rotating")) == 5
    assert cli.run("sources", "list", "--source", name).code == 4


def test_a_key_is_taken_without_what_surrounds_it(cli: Cli, pipe: e2e.Pipe) -> None:
    key = "the key of a source with a line break"
    ran = cli.run("--json", "sources", "add", "scalapay/copied", "--key-env", "KEY", KEY=f" {key}\n")
    assert (ran.code, "Left out spaces or line breaks" in ran.err) == (0, True)
    assert current(pipe, "ScalapaySecret")["sources"]["copied"]["signing_keys"] == [key]


def test_operators_at_once_lose_nothing(cli: Cli, pipe: e2e.Pipe) -> None:
    before = current(pipe, "ScalapaySecret")
    names = [f"scalapay/many-{number}" for number in range(6)]
    more = ["--any-merchant", "--key-env", "KEY"]
    running = [cli.start("--json", "sources", "add", name, *more, KEY=f"the key of {name}") for name in names]
    ended = [(process.communicate(timeout=60), process.returncode) for process in running]
    assert [code for _, code in ended] == [0] * len(names), ended
    after = current(pipe, "ScalapaySecret")
    assert after["sources"].keys() == before["sources"].keys() | {name.split("/")[1] for name in names}
    assert {name: after["sources"][name] for name in before["sources"]} == before["sources"]
    assert after["quarantine_key"] == before["quarantine_key"]
    client, secret = pipe.stack.client("secretsmanager"), pipe.stack.outputs["ScalapaySecret"]
    previous = json.loads(client.get_secret_value(SecretId=secret, VersionStage="AWSPREVIOUS")["SecretString"])
    assert len(previous["sources"]) == len(after["sources"]) - 1


def test_who_is_killed_leaves_the_secret_whole(cli: Cli, pipe: e2e.Pipe) -> None:
    before = current(pipe, "ScalapaySecret")["sources"]
    add = ("sources", "add", "scalapay/killed", "--any-merchant", "--key-env", "KEY")
    for hundredths in range(0, 30, 3):
        process = cli.start(*add, KEY="the key of this source")
        # Each is killed at another moment of its work, which nothing shows from outside.
        time.sleep(hundredths / 100)
        process.kill()
        process.communicate(timeout=30)
        after = current(pipe, "ScalapaySecret")["sources"]
        assert {name: after[name] for name in before} == before and after.keys() - before.keys() <= {"killed"}
    again = cli.run(*add, KEY="the key of this source")
    assert again.code == 0 or "has a source scalapay/killed already" in again.err
    assert "killed" in current(pipe, "ScalapaySecret")["sources"]


def test_a_credential_is_set_and_never_shown(cli: Cli, pipe: e2e.Pipe) -> None:
    credential = "a-credential-of-these-tests"
    set_it = ("accounts", "set", "shopline/tw", "--credential-env", "TOKEN", "--shop", "ours")
    # A run of the watch may find the account while it is there.
    with provider_api.serving() as api, provider_api.own_accounts(pipe.stack):
        ran = cli.run(*set_it, "--base-url", api.base, TOKEN=credential)
        assert ran.code == 0 and credential not in ran.out + ran.err
        entry = current(pipe, "AccountsSecret")["accounts"]["shopline/tw"]
        assert entry == {"token": credential, "handle": "ours", "base_url": api.base}
        (line,) = cli.json("accounts", "list")
        assert (line["account"], line["shop"]) == ("shopline/tw", "ours") and credential not in json.dumps(line)
        cli.json("accounts", "remove", "shopline/tw", "--yes")
        assert cli.json("accounts", "list") == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("sources", "add", "scalapay/it", "--any-merchant"), 2, "--key-env NAME"),
        (("sources", "add", "shopline/x", "--any-merchant"), 2, "--scheme signed"),
        (("sources", "rotate", "scalapay/none", "--status"), 4, "no source"),
        (("sources", "remove", "scalapay/none"), 4, "no source"),
        (("accounts", "remove", "scalapay/none"), 4, "no account"),
    ],
)
def test_what_cannot_be_done_is_reported(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    ran = cli.run(*arguments)
    assert (ran.code, message in ran.err, ran.out) == (code, True, ""), ran


def test_another_make_run_keeps_what_was_added_and_rotated(cli: Cli, pipe: e2e.Pipe, tmp_path: Path) -> None:
    (added,) = cli.json("sources", "add", "selldone/of-mine", "--merchant", "1")
    cli.json("sources", "rotate", "selldone/main")
    before = current(pipe, "SelldoneSecret")
    # `make run` has the sample sources, with other keys than the secret holds by now.
    samples = sources.sample_sources(tmp_path / "sources.json")
    samples["selldone"]["sources"]["of-the-samples"] = samples["selldone"]["sources"]["main"]
    again = dataclasses.replace(pipe.stack, sources=samples)
    sources.fill_secrets(again, lambda _: None)
    after = current(pipe, "SelldoneSecret")
    assert added["fingerprint"] in cli.json("sources", "list", "--source", "selldone/of-mine")[0]["keys"]
    assert after["sources"].pop("of-the-samples") == samples["selldone"]["sources"]["of-the-samples"]
    assert after == before
    assert again.sources["selldone"]["sources"]["main"] == before["sources"]["main"]
