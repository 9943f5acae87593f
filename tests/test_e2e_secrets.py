"""A provider's secret that changes, breaks or is weak: receivers learn of it by themselves.

Every test takes one provider's secret for itself, begins with a receiver that has read nothing yet, and
leaves the secret as it was and a receiver that will read it again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from tests import e2e
from tests.local import signing


@contextmanager
def fresh(pipe: e2e.Pipe, provider: str) -> Iterator[None]:
    """Gives a receiver with nothing in its memory, and the provider's own secret again afterwards."""
    restart(pipe, provider)
    try:
        yield
    finally:
        put(pipe, provider, pipe.stack.sources[provider])
        restart(pipe, provider)


def restart(pipe: e2e.Pipe, provider: str) -> None:
    """Ends the receiver's processes, as Lambda does when a function's memory is set."""
    function = pipe.stack.outputs[f"{provider.capitalize()}Function"]
    client = pipe.stack.client("lambda")
    memory = client.get_function_configuration(FunctionName=function)["MemorySize"]
    client.update_function_configuration(FunctionName=function, MemorySize=memory)
    e2e.wait_until(
        lambda: client.get_function_configuration(FunctionName=function)["LastUpdateStatus"] == "Successful",
        f"{function} is not updated",
    )


def put(pipe: e2e.Pipe, provider: str, secret: dict | str) -> None:
    """Replaces a provider's secret."""
    pipe.stack.client("secretsmanager").put_secret_value(
        SecretId=pipe.stack.outputs[f"{provider.capitalize()}Secret"],
        SecretString=secret if isinstance(secret, str) else json.dumps(secret),
    )


def deliver(pipe: e2e.Pipe, provider: str, case: str, name: str, source: dict) -> int:
    """Sends a sample delivery to a source of this name, signed for this one, and returns the answer."""
    event = e2e.sample(provider, case) | {"rawPath": f"/{name}"}
    answer = pipe.send(provider, signing.sign(provider, event, source))
    assert answer.body == b""
    return answer.status


def key() -> str:
    return secrets.token_urlsafe(32)


def signed_source(*keys: str) -> dict:
    return {"scheme": "signed", "signing_keys": list(keys), "url_tokens": [], "merchants": "any"}


def test_a_new_key_is_taken_without_a_deployment(pipe: e2e.Pipe) -> None:
    old, new = key(), key()
    with fresh(pipe, "scalev"):
        put(pipe, "scalev", {"sources": {"rotated": signed_source(old)}})
        assert deliver(pipe, "scalev", "order.created.2025", "rotated", signed_source(old)) == 200
        put(pipe, "scalev", {"sources": {"rotated": signed_source(new, old), "added": signed_source(new)}})
        # The first check that fails has the secret fetched, and is made again at once.
        assert deliver(pipe, "scalev", "order.created.2026", "rotated", signed_source(new)) == 200
        assert deliver(pipe, "scalev", "order.epayment_created", "rotated", signed_source(old)) == 200
        # A source that was added meanwhile is known from the same fetch.
        assert deliver(pipe, "scalev", "order.created.2025", "added", signed_source(new)) == 200
    rows = pipe.rows("scalev", "rotated").values()
    assert len(rows) == 3 and len({row["fingerprint"] for row in rows}) == 2
    assert not any(secret in str(row) for row in rows for secret in (old, new))


def test_a_new_source_is_taken_and_a_removed_one_is_not(pipe: e2e.Pipe) -> None:
    old, new = signed_source(key()), signed_source(key())
    with fresh(pipe, "scalev"):
        put(pipe, "scalev", {"sources": {"old": old}})
        assert deliver(pipe, "scalev", "order.created.2025", "old", old) == 200
        put(pipe, "scalev", {"sources": {"new": new}})
        assert deliver(pipe, "scalev", "order.created.2025", "new", new) == 200
        assert deliver(pipe, "scalev", "order.created.2025", "old", old) == 401


def test_without_a_secret_the_provider_is_asked_to_retry(pipe: e2e.Pipe) -> None:
    source = signed_source(key())
    with fresh(pipe, "scalapay"):
        for broken in ("not JSON", "[]", "{}", '{"sources": 1}', '{"sources": []}'):
            put(pipe, "scalapay", broken)
            assert deliver(pipe, "scalapay", "charged", "broken", source) == 503
        assert pipe.rows("scalapay", "broken") == {}
        put(pipe, "scalapay", {"sources": {"broken": source}})
        assert deliver(pipe, "scalapay", "charged", "broken", source) == 200
        # What breaks later does not matter while the last good one is young.
        put(pipe, "scalapay", "not JSON")
        assert deliver(pipe, "scalapay", "refunded", "broken", source) == 200
        assert deliver(pipe, "scalapay", "charged", "broken", signed_source(key())) == 401
    assert len(pipe.rows("scalapay", "broken")) == 2


def token_source(*tokens: str, merchants: object = ("1",)) -> dict:
    return {"scheme": "url_token", "signing_keys": [], "url_tokens": list(tokens), "merchants": merchants}


SAMPLE_TOKEN = "hookmill-sample-selldone-url-token-000001"
GOOD = key()
WEAK = {
    "sample": token_source(SAMPLE_TOKEN),
    "sample-beside-good": token_source(GOOD, SAMPLE_TOKEN),
    "short": token_source("s3cr3t"),
    "no-128-bits": token_source("x" * 21),
    "empty": token_source(""),
    "none": token_source(),
    "of-another-scheme": signed_source(GOOD),
    "no-scheme": {"url_tokens": [GOOD], "merchants": ["1"]},
    "unknown-scheme": token_source(GOOD) | {"scheme": "none"},
    "no-merchants": token_source(GOOD, merchants=[]),
    "empty-merchant": token_source(GOOD, merchants=[""]),
    "other-word": token_source(GOOD, merchants="all"),
    "merchants-missing": {"scheme": "url_token", "url_tokens": [GOOD]},
    "number": token_source() | {"url_tokens": [12345678901234567890123]},
    "misspelt": token_source(GOOD) | {"signing_key": "x"},
    "nothing": None,
}


def test_weak_and_broken_sources_are_refused_and_take_no_other_down(pipe: e2e.Pipe) -> None:
    def answer(name: str, token: str) -> int:
        return deliver(pipe, "selldone", "OnlineOrder.CheckoutOrder", name, token_source(token))

    with fresh(pipe, "selldone"):
        put(pipe, "selldone", {"sources": WEAK | {"good": token_source(GOOD)}})
        answers = {name: answer(name, SAMPLE_TOKEN if name == "sample" else GOOD) for name in WEAK}
        assert answers == dict.fromkeys(WEAK, 503)
        assert answer("good", GOOD) == 200
    assert {name: pipe.rows("selldone", name) for name in WEAK} == dict.fromkeys(WEAK, {})
    assert len(pipe.rows("selldone", "good")) == 1


PUBLISHED = {
    "shopline-example": "b5138dd0a7c04f674260e1d3b3a762347421396fc5fc1bee55a2c2653c4207bd",
    "sample-key": "hookmill-sample-shopline-app-secret",
    "short-key": "abc",
    "empty-key": "",
}


def test_published_short_and_empty_keys_are_refused(pipe: e2e.Pipe) -> None:
    with fresh(pipe, "shopline"):
        put(pipe, "shopline", {"sources": {name: signed_source(value) for name, value in PUBLISHED.items()}})
        for name, value in PUBLISHED.items():
            assert deliver(pipe, "shopline", "order.create.app", name, signed_source(value)) == 503, name
            assert pipe.rows("shopline", name) == {}
