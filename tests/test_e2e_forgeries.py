"""Forgeries through real function URLs: one answer for all, no row, little written."""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Callable

import pytest

from tests import e2e
from tests.e2e import SAMPLES, TARGETS
from tests.local import signing

REFUSED = 401
# A receiver quarantines this many refused deliveries of a source at once, then one every few seconds.
QUARANTINE_BURST = 20
QUARANTINE_REFILL_SECONDS = 5
FLOOD = 300
FLOODED = ("scalev", "scalapay", "shopline-signed", "selldone")


def with_signature(provider: str, event: dict, change: Callable[[str], str | None]) -> dict:
    """Returns the event with its signature changed, or without one."""
    event = copy.deepcopy(event)
    if provider == "shopline":
        signature = dict(pair.split("=") for pair in event["rawQueryString"].split("&"))["sign"]
        changed = change(signature)
        event["rawQueryString"] = "" if changed is None else f"sign={changed}"
        return event
    name = {"scalev": signing.SCALEV_SIGNATURE, "scalapay": signing.SCALAPAY_SIGNATURE}[provider]
    signing.set_header(event, name, change(event["headers"][name]))
    return event


def with_token(event: dict, change: Callable[[str], str | None]) -> dict:
    """Returns the event with its URL token changed, or without one."""
    source, token = event["rawPath"].lstrip("/").split("/")
    changed = change(token)
    return event | {"rawPath": f"/{source}" if changed is None else f"/{source}/{changed}"}


def with_credential(target: str, event: dict, change: Callable[[str], str | None]) -> dict:
    """Returns the event with its credential changed, whichever kind it is."""
    provider, _ = TARGETS[target]
    if target in ("shopline-token", "selldone"):
        return with_token(event, change)
    return with_signature(provider, event, change)


def with_body(event: dict, body: bytes) -> dict:
    return event | {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def another_digit(credential: str) -> str:
    """Changes one character into another of the same alphabet."""
    return ("b" if credential[0] == "a" else "a") + credential[1:]


CHANGES: dict[str, Callable[[str], str | None]] = {
    "forged": another_digit,
    "missing": lambda _: None,
    "empty": lambda _: "",
    "doubled": lambda credential: f"{credential},{credential}",
    "cut": lambda credential: credential[:-4],
    "one character": lambda credential: credential[0],
    "extended": lambda credential: credential + "AAAA",
    "garbled": lambda credential: "!*" + credential[2:],
    "spaced inside": lambda credential: credential[:8] + "%20" + credential[8:],
    "unpadded": lambda credential: credential[:-1],
    "zeros": lambda credential: "0" * len(credential),
    "in base64": lambda credential: base64.urlsafe_b64encode(credential.encode()).decode(),
}


def forgeries(pipe: e2e.Pipe, target: str) -> dict[str, dict]:
    """Deliveries of a target that must be refused, by what is wrong with them."""
    provider, name = TARGETS[target]
    sample = e2e.sample(provider, SAMPLES[target])
    genuine = pipe.signed(provider, sample, "forged")
    body = signing.body_bytes(genuine)
    forged = {what: with_credential(target, genuine, change) for what, change in CHANGES.items()}
    forged["unknown source"] = genuine | {"rawPath": genuine["rawPath"].replace(name, "nobody", 1)}
    forged["no source"] = genuine | {"rawPath": "/"}
    forged["longer path"] = genuine | {"rawPath": genuine["rawPath"] + "/more/of/it"}
    forged["another source's credential"] = pipe.signed(provider, sample, "claims") | (
        {"rawPath": f"/{name}-forged/" + pipe.source(provider, f"{name}-claims")["url_tokens"][0]}
        if target in ("shopline-token", "selldone")
        else {"rawPath": f"/{name}-forged"}
    )
    published = json.loads((e2e.ROOT / "events" / "sources.json").read_text())[provider]["sources"][name]
    forged["the published sample key"] = signing.sign(provider, genuine, published)
    if target in ("scalev", "scalapay", "shopline-signed"):
        changed = body.replace(b'"', b"'", 1) if target != "shopline-signed" else body.replace(b"order/", b"Order/")
        forged["changed body"] = with_body(genuine, changed)
        forged["cut body"] = with_body(genuine, body[:-1])
        forged["no body"] = with_body(genuine, b"")
    if target in ("scalapay", "shopline-signed"):
        header = signing.SCALAPAY_TIMESTAMP if target == "scalapay" else signing.SHOPLINE_TIMESTAMP
        for what, value in {"another time": "1780000000001", "no time": None, "empty time": ""}.items():
            forged[what] = copy.deepcopy(genuine)
            signing.set_header(forged[what], header, value)
    if target == "shopline-signed":
        query = genuine["rawQueryString"]
        forged["twice in the query"] = genuine | {"rawQueryString": f"{query}&{query}"}
        # Nobody can say what is signed in these, whoever sent them.
        forged["not JSON"] = with_body(genuine, b"{")
        forged["duplicate keys"] = with_body(genuine, b'{"a":1,"a":1}')
        forged["10,000 deep"] = with_body(genuine, b"[" * 10_000 + b"]" * 10_000)
    if provider == "shopline":
        forged["the other product"] = copy.deepcopy(genuine)
        signing.set_header(forged["the other product"], "x-shopline-topic", "orders/create")
    if target == "selldone":
        forged["wrong merchant"] = with_body(genuine, body.replace(b'"shop":{"id":1,', b'"shop":{"id":2,'))
    if target == "shopline-token":
        forged["wrong merchant"] = with_body(genuine, body.replace(b"5fc5ea00c43d7f001003999d", b"5" * 24))
    if (provider, name) in e2e.BOUND:
        other = body.replace(e2e.BOUND[provider, name][0].encode(), b"41750fd8-0000-0000-0000-000000000000")
        assert other != body
        signing.set_path(genuine, f"/{name}-bound")
        forged["wrong merchant"] = signing.sign(
            provider, with_body(genuine, other), pipe.source(provider, f"{name}-bound")
        )
    return forged


@pytest.mark.parametrize("target", TARGETS)
def test_refusals_are_alike_and_leave_no_row(pipe: e2e.Pipe, target: str, answer_to_strangers: e2e.Answer) -> None:
    provider, name = TARGETS[target]
    assert (answer_to_strangers.status, answer_to_strangers.body) == (REFUSED, b"")
    before = set(pipe.rows())
    connection = pipe.stack.connect()
    answers = {
        what: pipe.send(provider, event, connection=connection)
        for what, event in forgeries(pipe, target).items()
    }
    assert {what: answer for what, answer in answers.items() if answer != answer_to_strangers} == {}
    added = {event_id for event_id in set(pipe.rows()) - before if not event_id.startswith("refused/")}
    assert added == set()
    # The source itself is in order: the same delivery, untouched, is kept.
    genuine = pipe.signed(provider, e2e.sample(provider, SAMPLES[target]), "forged")
    assert pipe.send(provider, genuine).status == 200
    assert len(pipe.rows(provider, f"{name}-forged")) == 1


@pytest.mark.parametrize("target", ["scalev", "scalapay"])
def test_a_duplicate_signature_header_is_refused(pipe: e2e.Pipe, target: str) -> None:
    """AWS joins the values with a comma; the front end here may not, so the function is called itself."""
    provider, _ = TARGETS[target]
    event = pipe.signed(provider, e2e.sample(provider, SAMPLES[target]), "forged")
    for joiner in (",", ", "):
        doubled = with_signature(provider, event, lambda signature: f"{signature}{joiner}{signature}")
        assert pipe.invoke(provider, doubled) == {"statusCode": REFUSED, "body": ""}


def test_a_flood_of_forgeries_writes_little(pipe: e2e.Pipe, capsys: pytest.CaptureFixture) -> None:
    """Each provider's receiver gets its own flood, all at one time; every body is another one."""
    bodies = [json.dumps({"topic": "x", "n": number}).encode() for number in range(FLOOD)]
    jobs = []
    for target in FLOODED:
        provider, _ = TARGETS[target]
        genuine = pipe.signed(provider, e2e.sample(provider, SAMPLES[target]), "flood")
        forged = with_credential(target, genuine, another_digit)
        jobs += [(provider, with_body(forged, body)) for body in bodies]
    began = time.monotonic()
    answers = pipe.send_in_order(jobs)
    took = time.monotonic() - began
    assert {answer.status for answer in answers} == {REFUSED}
    for target in FLOODED:
        provider, name = TARGETS[target]
        written = len(pipe.refused(provider, f"{name}-flood"))
        with capsys.disabled():
            print(f"\n{target}: {FLOOD} forgeries in {took:.0f} s, {written} rows in quarantine", end="")
        assert 0 < written <= QUARANTINE_BURST + took / QUARANTINE_REFILL_SECONDS + 1
        assert pipe.rows(provider, f"{name}-flood") == {}


def test_a_retry_storm_takes_one_slot(pipe: e2e.Pipe) -> None:
    event = pipe.signed("scalev", e2e.sample("scalev", "order.created.2025"), "sizes")
    forged = with_signature("scalev", event, another_digit)
    answers = pipe.send_all([("scalev", forged)] * 15, clients=3)
    assert {answer.status for answer in answers} == {REFUSED}
    assert len(pipe.refused("scalev", "main-sizes")) == 1
