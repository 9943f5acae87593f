"""Bad input through real function URLs: hostile bodies, sizes, odd requests.

What is genuine is kept and arrives, however it looks.  Forgeries have a file of their own.
"""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests import e2e, e2e_checks
from tests.e2e import SAMPLES, TARGETS
from tests.local import signing

MEBIBYTE = 1024 * 1024
REFUSED = 401


# --- Hostile bodies --------------------------------------------------------

# Per target a body with places for what is hostile: the subject's id, the provider's word for the event,
# a text, an amount, and further members.
BODIES = {
    "scalev": b'{"event":"%(word)s","unique_id":"event_%(n)s","timestamp":"%(time)s","data":{"business":{"client_id":'
    b'"%(merchant)s"},"order_id":"%(subject)s","status":"pending","gross_revenue":%(amount)s,'
    b'"notes":"%(text)s","destination_address":'
    b'{"name":"%(text)s"}%(more)s}}',
    "scalapay": b'{"status":"%(word)s","orderToken":"%(subject)s","merchantReference":"%(text)s","totalAmount":'
    b'%(amount)s,"x":"%(n)s"%(more)s}',
    "shopline-signed": b'{"topic":"%(word)s","trace_id":"%(n)s","ts":"1767225600000000000","merchant_id":'
    b'"%(merchant)s","resource":'
    b'{"_id":"%(subject)s","status":"pending","order_remarks":"%(text)s","customer_name":"%(text)s","currency_iso":'
    b'"TWD","total":{"cents":%(amount)s,"currency_iso":"TWD"},"updated_at":"%(time)s"%(more)s}}',
    "shopline-token": b'{"topic":"%(word)s","trace_id":"%(n)s","ts":"1767225600000000000","merchant_id":'
    b'"5fc5ea00c43d7f001003999d","resource":{"_id":"%(subject)s","status":"pending","order_remarks":"%(text)s",'
    b'"customer_name":"%(text)s","total":{"cents":%(amount)s,"currency_iso":"TWD"}%(more)s}}',
    "selldone": b'{"event":"OnlineOrder","action":"%(word)s","shop":{"id":1},"basket":{"id":"%(subject)s","status":'
    b'"Payed","currency":"USD","price":%(amount)s,"updated_at":"%(time)s","label":"%(text)s",'
    b'"receiver_info":{"name":"%(text)s"}%(more)s},"x":"%(n)s"}',
}
WORDS = {
    "scalev": b"order.created",
    "scalapay": b"charged",
    "shopline-signed": b"order/create",
    "shopline-token": b"order/create",
    "selldone": b"CheckoutOrder",
}
TEXTS = {
    "lone high surrogate": rb"a\ud83db",
    "lone low surrogate": rb"a\ude00b",
    "surrogates the wrong way round": rb"\ude00\ud83d",
    "U+FFFE and U+FFFF, literal": "a\ufffeb\uffffc".encode(),
    "U+FFFE and U+FFFF, escaped": rb"a\ufffeb\uffffc",
    "non-characters of another plane": "a\U0001fffeb\U0010ffff\ufdd0".encode(),
    "NUL, escaped": rb"a\u0000b",
    "control characters, escaped": rb"\u0001\b\t\n\f\r\u001b\u001f\u007f\u0085",
    "DEL and C1, literal": "a\x7fb\x80c\x9fd".encode(),
    "line separators": "a\u2028b\u2029c".encode(),
    "directions and joiners": "a\u202eb\u200dc\ufeffd".encode(),
    "quotes, slashes and percent signs": rb"\"\\\/%2F%00//~:#?&<>",
    "emoji": "\U0001f600\u00e9e\u0301".encode(),
}
TIMES = {
    "plain": b"2026-01-01T00:00:00Z",
    "before our era": b"-009999-01-02T01:59:59Z",
    "year 0": b"0000-01-01T00:00:00Z",
    "the last year": b"9999-12-30T22:00:00.999999999Z",
    "year 10000": b"+010000-01-01T00:00:00Z",
    "leap second": b"2016-12-31T23:59:60Z",
    "offset": b"2026-01-01T00:00:00.5+14:00",
    "offset of a day": b"2026-01-01T00:00:00+24:00",
    "zone in brackets": b"2026-01-01T00:00:00Z[Europe/Rome]",
    "no zone": b"2026-01-01 00:00:00",
    "no day": b"2026-02-30T00:00:00Z",
}
NUMBERS = {
    "400 digits": b"1" + b"0" * 399,
    "400 decimals": b"0." + b"3" * 400,
    "huge exponent": b"1e400",
    "tiny exponent": b"1e-400",
    "exponent of 20 digits": b"1e99999999999999999999",
    "negative zero": b"-0",
    "negative": b"-1.50",
    "text for a number": b'"twelve"',
    "list for a number": b"[1]",
}
MORE = {
    "unknown members": b',"later":{"a":[1,2,{"b":null}]}',
    "duplicate keys": b',"status":"completed","status":"pending"',
    "100 deep": b',"later":' + b"[" * 100 + b"]" * 100,
    "10,000 deep": b',"later":' + b"[" * 10_000 + b"]" * 10_000,
    "10,000 objects deep": b',"later":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "10,000 members": b"," + b",".join(b'"m%d":%d' % (n, n) for n in range(10_000)),
    "member without a name": b',"":"x"',
}
# No JSON, or not of any provider's shape.
WHOLE = {
    "empty": b"",
    "space": b" \n",
    "not JSON": b"status=charged&orderToken=1",
    "cut off": b'{"event":"order.created","data":{"order_id":"1',
    "more than one value": b"{}{}",
    "list": b"[]",
    "text": b'"order.created"',
    "number": b"42",
    "400 digits": b"9" * 400,
    "null": b"null",
    "empty object": b"{}",
    "words where objects belong": b'{"event":1,"data":"x","status":{},"orderToken":[],"topic":null,"resource":[],'
    b'"basket":3}',
    "objects where words belong": b'{"event":{},"unique_id":{},"data":{"order_id":{},"id":[]},"status":[],"topic":{},'
    b'"merchant_id":null,"resource":{"_id":{}},"shop":{"id":null},"basket":{"id":{}}}',
    "raw control characters": b'{"event":"a\x01b\x00c\nd"}',
    "byte order mark": b'\xef\xbb\xbf{"event":"order.created"}',
    "not UTF-8": b'{"event":"\xff\xfe\x80"}',
    "surrogates in UTF-8": b'{"event":"\xed\xa0\x80"}',
    "UTF-16": '{"event":"order.created"}'.encode("utf-16"),
    "only brackets": b"[" * 100_000,
    "zeros": b"\x00" * 1_000,
}
# What is signed there is a text made of the JSON: what cannot be read so cannot be verified.
NOT_VERIFIABLE = {"duplicate keys", "10,000 deep", "10,000 objects deep"}


@dataclass(frozen=True)
class Hostile:
    """A hostile body for a target."""

    target: str
    what: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.target}: {self.what}"


def hostile_bodies() -> list[Hostile]:
    found = []
    for target, body in BODIES.items():
        variants: dict[str, dict[str, bytes]] = {}
        for what, text in TEXTS.items():
            variants[f"{what} in texts"] = {"text": text}
            variants[f"{what} in the subject"] = {"subject": text}
            variants[f"{what} in the event's word"] = {"word": text}
            if b"%(merchant)s" in body:
                variants[f"{what} in the merchant"] = {"merchant": text}
        variants |= {f"{what} as amount": {"amount": number} for what, number in NUMBERS.items()}
        if b"%(time)s" in body:
            variants |= {f"{what} as time": {"time": instant} for what, instant in TIMES.items()}
        variants |= {what: {"more": more} for what, more in MORE.items()}
        variants["subject of 5,000 characters"] = {"subject": b"s" * 5_000}
        variants["word of 5,000 characters"] = {"word": b"w" * 5_000}
        variants["empty subject and word"] = {"subject": b"", "word": b""}
        for number, (what, change) in enumerate(variants.items()):
            n = b"h%d" % number
            plain = {"n": n, "subject": b"subject-" + n, "word": WORDS[target], "text": b"x", "amount": b"1"}
            plain |= {"merchant": b"m", "time": TIMES["plain"], "more": b""}
            values = {key.encode(): value for key, value in (plain | change).items()}
            found.append(Hostile(target, what, body % values))
        if target != "shopline-signed":
            found += [Hostile(target, what, whole) for what, whole in WHOLE.items()]
    return [hostile for hostile in found if hostile.target != "shopline-signed" or hostile.what not in NOT_VERIFIABLE]


HOSTILE = hostile_bodies()


@dataclass
class Kept:
    """The results of the hostile bodies."""

    answers: dict[Hostile, e2e.Answer]
    rows: dict[Hostile, dict[str, e2e.Row]]
    messages: dict[str, e2e.Message]


@pytest.fixture(scope="module")
def kept(pipe: e2e.Pipe) -> Kept:
    jobs = []
    for hostile in HOSTILE:
        provider, name = TARGETS[hostile.target]
        # The front end replaces what is not UTF-8 in bodies that it takes for text, as AWS does.
        headers = {} if is_utf8(hostile.body) else {"content-type": "application/octet-stream"}
        jobs.append((provider, pipe.signed(provider, e2e.request(provider, name, hostile.body, headers), "hostile")))
    answers = dict(zip(HOSTILE, pipe.send_in_order(jobs)))
    rows: dict[Hostile, dict[str, e2e.Row]] = {}
    for target, (provider, name) in TARGETS.items():
        by_hash: dict[bytes, dict[str, e2e.Row]] = {}
        for event_id, row in pipe.rows(provider, f"{name}-hostile").items():
            by_hash.setdefault(row["hash"], {})[event_id] = row
        for hostile in HOSTILE:
            if hostile.target == target:
                rows[hostile] = by_hash.get(e2e.sha256(hostile.body), {})
    return Kept(answers, rows, pipe.wait_for_messages(event_id for found in rows.values() for event_id in found))


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_a_hostile_body_is_kept_and_arrives(pipe: e2e.Pipe, kept: Kept, hostile: Hostile) -> None:
    assert (kept.answers[hostile].status, kept.answers[hostile].body) == (200, b"")
    assert len(kept.rows[hostile]) == 1
    [(event_id, row)] = kept.rows[hostile].items()
    assert pipe.body(row) == hostile.body
    event = kept.messages[event_id].event
    assert event["id"] == event_id
    assert e2e_checks.cloudevents_faults(event) == []


def test_hostile_bodies_fit_the_schema_too(kept: Kept) -> None:
    assert e2e_checks.schema_faults(kept.messages.values()) == []


def test_hostile_bodies_reach_their_views(pipe: e2e.Pipe, kept: Kept) -> None:
    pipe.wait_for_views()
    assert set(pipe.dead_letters().values()) == {0}
    for hostile, rows in kept.rows.items():
        if hostile.what == "400 digits as amount":
            [row] = rows.values()
            provider, name = TARGETS[hostile.target]
            assert row["pk"] in pipe.views(provider, f"{name}-hostile")


def is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- Sizes -----------------------------------------------------------------


def padded(target: str, length: int) -> bytes:
    """Returns a genuine order of this many bytes: white space after it, which compresses to nothing."""
    provider, _ = TARGETS[target]
    body = signing.body_bytes(e2e.sample(provider, SAMPLES[target]))
    return body + b" " * (length - len(body))


@pytest.mark.parametrize("target", TARGETS)
def test_a_mebibyte_is_taken_and_a_byte_more_is_not(pipe: e2e.Pipe, target: str) -> None:
    provider, name = TARGETS[target]
    before = pipe.rows(provider, f"{name}-sizes")
    for length, status in ((MEBIBYTE + 1, 413), (MEBIBYTE, 200)):
        event = pipe.signed(provider, e2e.request(provider, name, padded(target, length)), "sizes")
        answer = pipe.send(provider, event)
        assert (answer.status, answer.body) == (status, b"")
    added = {key: row for key, row in pipe.rows(provider, f"{name}-sizes").items() if key not in before}
    [(event_id, row)] = added.items()
    assert pipe.body(row) == e2e_checks.without_secrets(provider, padded(target, MEBIBYTE))[0]
    assert "data" in pipe.wait_for_messages([event_id])[event_id].event


def order_of(subject: str, notes: str = "", lines: list[dict] | None = None) -> bytes:
    """Returns a Scalev order, whose notes and lines reach the order view."""
    data = {"order_id": subject, "status": "pending", "gross_revenue": "1.00", "notes": notes}
    order = {"event": "order.created", "unique_id": f"event_{subject}", "timestamp": "2026-01-01T00:00:00Z"}
    return json.dumps(order | {"data": data | {"orderlines": lines or []}}).encode()


def random_text(length: int) -> str:
    """Returns text that zstd hardly shortens."""
    source = random.Random(1)
    return "".join(source.choices("".join(map(chr, range(0x23, 0x5C))) + "abcdefghijklmnopqrstuvwxyz", k=length))


LINE = {"quantity": 1, "product_name": "Amazing Product", "variant_sku": "BCF009", "variant_price": "150000.00"}
LARGE = {
    "900 KB that do not compress": ("SIZE900", {"notes": random_text(900_000)}),
    "a mebibyte that does not compress": ("SIZE1024", {"notes": random_text(MEBIBYTE - 300)}),
    "700 KB that compress": ("SIZE700", {"lines": [LINE] * 6_500}),
    "700 KB of one text": ("SIZE701", {"notes": "x" * 700_000}),
}


@pytest.mark.parametrize("what", LARGE)
def test_a_large_order_arrives_and_reaches_its_view(pipe: e2e.Pipe, what: str) -> None:
    subject, content = LARGE[what]
    body = order_of(subject, **content)
    assert 690_000 < len(body) <= MEBIBYTE
    assert pipe.send("scalev", pipe.signed("scalev", e2e.request("scalev", "main", body), "sizes")).status == 200
    event_id = f"scalev/main-sizes/{subject}/order.created/event_{subject}"
    row = pipe.rows("scalev", "main-sizes")[event_id]
    assert pipe.body(row) == body
    assert ("chunks" in row) == ("not compress" in what)

    message = pipe.wait_for_messages([event_id])[event_id]
    assert len(message.text.encode()) <= MEBIBYTE
    assert e2e_checks.cloudevents_faults(message.event) == []
    whole = pipe.read(event_id)
    if "dataref" in message.event:
        assert message.event["dataref"] == event_id and "data" not in message.event
        assert len(json.dumps(whole).encode()) > MEBIBYTE
    else:
        assert whole == message.event
    assert whole["data"].get("notes") in (content.get("notes"), None)
    assert len(whole["data"].get("lines") or []) == len(content.get("lines", []))

    pipe.wait_for_views()
    view = pipe.views("scalev", "main-sizes")[f"scalev/main-sizes/{subject}"]
    assert (view["order_state"], view["total"]) == ("pending", "1")


def test_what_is_too_long_for_a_message_is_referred_to(pipe: e2e.Pipe) -> None:
    body = order_of("SIZEREF", notes=random_text(MEBIBYTE - 300))
    assert pipe.send("scalev", pipe.signed("scalev", e2e.request("scalev", "main", body), "sizes")).status == 200
    event_id = "scalev/main-sizes/SIZEREF/order.created/event_SIZEREF"
    event = pipe.wait_for_messages([event_id])[event_id].event
    assert (event.get("dataref"), "data" in event) == (event_id, False)


# --- Odd requests ----------------------------------------------------------


@pytest.mark.parametrize("provider", signing.PROVIDERS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
def test_only_post_is_taken(pipe: e2e.Pipe, provider: str, method: str) -> None:
    answer = pipe.request(provider, "/main", b"", method=method)
    assert (answer.status, answer.body) == (405, b"")


CONTENT_TYPES = {
    "none": None,
    "plain text": "text/plain",
    "a form": "application/x-www-form-urlencoded",
    "bytes": "application/octet-stream",
    "JSON of another name": "application/vnd.api+json; charset=utf-8",
    "another charset": "application/json; charset=iso-8859-1",
    "no content type at all": "rubbish;;;=",
}


@pytest.mark.parametrize("target", TARGETS)
def test_the_content_type_and_the_transfer_do_not_matter(pipe: e2e.Pipe, target: str) -> None:
    """Lambda hands over what it does not know as text in base64, so half of these travel so."""
    provider, name = TARGETS[target]
    bodies = {}
    for number, (what, content_type) in enumerate(CONTENT_TYPES.items()):
        values = {"n": f"t{number}", "subject": f"type-{number}", "word": WORDS[target].decode(), "text": "é"}
        values |= {"amount": "1", "more": "", "merchant": "m", "time": TIMES["plain"].decode()}
        bodies[what] = body = BODIES[target] % {key.encode(): value.encode() for key, value in values.items()}
        event = pipe.signed(provider, e2e.request(provider, name, body), "hostile")
        signing.set_header(event, "content-type", content_type)
        assert pipe.send(provider, event).status == 200, what
    rows = {row["hash"]: row for row in pipe.rows(provider, f"{name}-hostile").values()}
    assert {what: pipe.body(rows[e2e.sha256(body)]) for what, body in bodies.items()} == bodies


HOSTS = ["a b", "[::", "exa mple:99999", "\xff\xfe", "a:b:c", "", "a/b?c#d", "%zz", "\x7f"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_none_changes_nothing(pipe: e2e.Pipe, host: str, answer_to_strangers: e2e.Answer) -> None:
    assert pipe.request("scalev", "/who", b"{}", [("content-type", "application/json")], host=host) == answer_to_strangers
    genuine = pipe.signed("scalev", e2e.sample("scalev", "order.created.2026"), "hostile")
    path, body = genuine["rawPath"], signing.body_bytes(genuine)
    headers = [(name, genuine["headers"][name]) for name in ("content-type", signing.SCALEV_SIGNATURE)]
    assert pipe.request("scalev", path, body, headers, host=host).status == 200


# As Lambda would hand them over: the front end here answers some of these itself.
ODD: dict[str, Callable[[dict], dict]] = {
    "unparsable host": lambda event: event | {"headers": event["headers"] | {"host": "a b:\x00"}},
    "raw space in the query": lambda event: event | {"rawQueryString": event["rawQueryString"] + "&a b=c d"},
    "query of nonsense": lambda event: event | {"rawQueryString": event["rawQueryString"] + "&&=&%&%zz=%&\x00"},
    "path of 70 KB": lambda event: event | {"rawPath": event["rawPath"] + "/" + "x" * 70_000},
    "query of 70 KB": lambda event: event | {"rawQueryString": event["rawQueryString"] + "&x=" + "x" * 70_000},
    "header of 70 KB": lambda event: event | {"headers": event["headers"] | {"x-long": "x" * 70_000}},
    "path of escapes": lambda event: event | {"rawPath": event["rawPath"] + "%00%zz%"},
    "no headers": lambda event: event | {"headers": {}},
    "no path": lambda event: event | {"rawPath": ""},
    "bad base64": lambda event: event | {"body": "!!!", "isBase64Encoded": True},
    "body missing": lambda event: {name: value for name, value in event.items() if name != "body"},
}
# These leave the signed part of a request alone: the delivery stays genuine.
STILL_GENUINE = ("unparsable host", "raw space in the query", "query of nonsense", "query of 70 KB", "header of 70 KB")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("what", ODD)
def test_an_odd_request_is_answered(pipe: e2e.Pipe, target: str, what: str) -> None:
    provider, _ = TARGETS[target]
    genuine = pipe.signed(provider, e2e.sample(provider, SAMPLES[target]), "hostile")
    answer = pipe.invoke(provider, ODD[what](genuine))
    if target in ("shopline-token", "selldone"):
        # A URL token vouches for whatever body comes with it, none at all included, and is at the path's end.
        genuine_still = what in (*STILL_GENUINE, "no headers", "body missing")
    else:
        # The signature covers no path: what follows the source there is nobody's business.
        genuine_still = what in (*STILL_GENUINE, "path of 70 KB")
    assert answer == {"statusCode": 200 if genuine_still else REFUSED, "body": ""}


REQUEST_TARGETS = {
    "raw space in the query": "/main?a b=c d",
    "raw space in the path": "/ma in",
    "path of 70 KB": "/" + "x" * 70_000,
    "query of 70 KB": "/main?" + "x" * 70_000,
    "no escape": "/%zz",
    "asterisk": "*",
}


@pytest.mark.parametrize("what", REQUEST_TARGETS)
def test_an_odd_request_line_does_no_harm(pipe: e2e.Pipe, what: str) -> None:
    """Sent byte by byte: the front end may refuse it, and the next delivery is served."""
    host = urlsplit(pipe.stack.url("scalev")).netloc
    with socket.create_connection(("127.0.0.1", pipe.stack.port), timeout=10) as wire:
        wire.sendall(f"POST {REQUEST_TARGETS[what]} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        status = int(wire.recv(4096).split(b" ")[1])
    assert 400 <= status < 500
    genuine = pipe.signed("scalev", e2e.sample("scalev", "order.created.2026"), "hostile")
    assert pipe.send("scalev", genuine).status == 200
