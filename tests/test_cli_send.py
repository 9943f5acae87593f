"""`hookmill send`: what a provider would send, and what was kept of it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests import e2e
from tests.cli import Cli
from tests.local import run


@pytest.mark.parametrize("target", sorted(e2e.TARGETS))
def test_each_scheme_is_signed_as_its_provider_signs(cli: Cli, pipe: e2e.Pipe, target: str) -> None:
    provider, name = e2e.TARGETS[target]
    file = f"events/{provider}/{e2e.SAMPLES[target]}.json"
    first, second = (cli.json("send", file, "--source", f"{provider}/{name}-cli") for _ in range(2))
    assert [(line["answer"], line["kept"]) for line in first + second] == [(200, "new"), (200, "repeat")]
    assert first[0]["id"] == second[0]["id"]
    assert first[0]["id"] in pipe.rows(provider, f"{name}-cli")


def test_a_folder_is_sent_again_and_again_by_many_at_once(cli: Cli, pipe: e2e.Pipe) -> None:
    source = ("scalapay", "it-cli")
    lines = cli.json(
        "send", "events/scalapay", "--source", "/".join(source),
        "--repeat", "5", "--concurrency", "16", "--shuffle", "--seed", "7",
    )  # fmt: skip
    samples = [file for file in (run.EVENTS / "scalapay").glob("*.json") if not file.name.endswith(".event.json")]
    assert len(lines) == 5 * len(samples)
    assert {line["answer"] for line in lines} == {200}
    rows = pipe.rows(*source)
    assert {line["id"] for line in lines} <= rows.keys()
    again = cli.json("send", "events/scalapay", "--source", "/".join(source))
    assert {line["kept"] for line in again} == {"repeat"}
    assert pipe.rows(*source).keys() == rows.keys()


def test_a_sample_goes_to_the_source_that_it_names(cli: Cli) -> None:
    (line,) = cli.json("send", "events/scalev/order.created.2026.json")
    assert line["source"] == "scalev/main"
    assert line["id"].startswith("scalev/main/250130JQHFZG/order.created/")


def test_a_body_goes_out_as_it_is(cli: Cli, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes('{"status": "created",  "orderToken": "RAW é"}'.encode())
    (line,) = cli.json("send", str(body), "--raw", "--source", "scalapay/it-cli")
    assert line["kept"] == "new"
    assert cli.raw("events", "show", line["id"], "--raw") == body.read_bytes()


def test_a_new_time_under_an_old_body_may_be_a_repeat(cli: Cli) -> None:
    send = ("send", "events/scalapay/charged.json", "--source", "scalapay/it-cli")
    cli.json(*send)
    (line,) = cli.json(*send, "--fresh")
    assert line["kept"] == "possiblyrepeated"


def test_another_key_is_given_by_name_or_standard_input(cli: Cli, pipe: e2e.Pipe) -> None:
    send = ("send", "events/scalev/order.deleted.2026.json", "--source", "scalev/main-cli")
    refused = cli.run("--json", *send, "--key-env", "WRONG", WRONG="a key that the source does not have")
    assert refused.code == 1
    assert [(line["answer"], line["kept"], line["id"]) for line in refused.lines] == [(401, "refused", None)]
    quarantined = cli.json("events", "list", "--quarantined", "--source", "scalev/main-cli")
    assert [line["reason"] for line in quarantined] == ["mismatch"]

    key = pipe.source("scalev", "main-cli")["signing_keys"][0]
    taken = cli.run("--json", *send, "--key-stdin", stdin=f"{key}\n".encode())
    assert (taken.code, taken.lines[0]["kept"]) == (0, "new")
    for arguments, exit_code in ((("--key-env", "MISSING"), 2), (("--key-stdin",), 2)):
        assert cli.run(*send, *arguments).code == exit_code


@pytest.mark.parametrize("target", sorted(e2e.TARGETS))
def test_a_forged_delivery_is_refused(cli: Cli, target: str) -> None:
    provider, name = e2e.TARGETS[target]
    trigger = ("trigger", provider, e2e.SAMPLES[target], "--source", f"{provider}/{name}-cli")
    ran = cli.run("--json", *trigger, "--forged")
    assert (ran.code, [(line["answer"], line["kept"]) for line in ran.lines]) == (1, [(401, "refused")])
    assert cli.json(*trigger)[0]["answer"] == 200


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("no-such-file.json",), 2, "cannot be read"),
        (("README.md", "--provider", "scalev"), 2, "not a Lambda request event"),
        (("events/sources.json", "--provider", "scalev"), 2, "not a Lambda request event"),
        (("tests/local",), 2, "no delivery"),
        (("events/scalev/order.created.2026.json", "--source", "scalev/nobody"), 4, "no source scalev/nobody"),
        (("events/scalev/order.created.2026.json", "--source", "nobody/main"), 2, "a provider is one of"),
        (("events/selldone/OnlineOrder.CheckoutOrder.json", "--source", "scalev/main-cli", "--repeat", "0"), 2, "0"),
    ],
)
def test_what_cannot_be_sent_is_reported(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    ran = cli.run("send", *arguments)
    assert (ran.code, message in ran.err, ran.out) == (code, True, ""), ran


def test_ctrl_c_ends_it(cli: Cli, pipe: e2e.Pipe) -> None:
    # Nothing else is sent to this source.
    source = "scalev/apps-cli"
    process = cli.start("send", "events/scalev/order.created.app.json", "--source", source, "--repeat", "100000")
    e2e.wait_until(lambda: pipe.rows(*source.split("/")) != {}, "nothing was sent")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, ""), err
    assert "interrupted" in err


def test_text_is_for_people(cli: Cli) -> None:
    ran = cli.run("send", "events/selldone/OnlineOrder.CheckoutOrder.json", "--source", "selldone/main-cli")
    heading, line = ran.out.splitlines()
    assert heading.split() == ["case", "source", "answer", "times", "slowest", "kept", "event"]
    assert line.split()[:3] == ["selldone/OnlineOrder.CheckoutOrder", "selldone/main-cli", "200"]
    assert ran.err.startswith("1 sent: 1 ")
    assert "\x1b" not in ran.out
