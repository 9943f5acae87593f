"""Signs the sample deliveries in `events/` as the providers would.

It shares nothing with the receivers: a scheme that is wrong there cannot be
wrong here in the same way.  Standard library only.

    python -m tests.local.signing events/scalev/order.created.2026.json

prints that Lambda event with a credential that is valid for its source.
"""

from __future__ import annotations

import argparse
import base64
import copy
import hashlib
import hmac
import json
import re
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

EVENTS = Path(__file__).resolve().parents[2] / "events"
# Whoever has samples is a provider.
PROVIDERS = tuple(sorted(folder.name for folder in EVENTS.iterdir() if folder.is_dir()))

SCALEV_SIGNATURE = "x-scalev-hmac-sha256"
SCALAPAY_SIGNATURE = "x-scalapay-hmac-v1"
SCALAPAY_TIMESTAMP = "x-scalapay-timestamp"
SHOPLINE_TIMESTAMP = "x-shopline-developer-event-timestamp"
SHOPLINE_SIGNATURE = "sign"


# --- The request -----------------------------------------------------------


def body_bytes(event: dict) -> bytes:
    """Returns the body as the provider sent it, with Lambda's base64 undone."""
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        return base64.b64decode(body, validate=True)
    return body.encode("utf-8")


def source_name(event: dict) -> str:
    """Returns the name of the source: the first segment of the path."""
    name = event["rawPath"].lstrip("/").split("/", 1)[0]
    if not name:
        raise ValueError("the path names no source")
    return name


def header(event: dict, name: str) -> str:
    """Returns the value of a header; Lambda sends header names in lower case."""
    value = event.get("headers", {}).get(name)
    if not value:
        raise ValueError(f"the event has no header {name}")
    return value


# --- The schemes -----------------------------------------------------------


def scalev_signature(key: str, body: bytes) -> str:
    """Signs as developers.scalev.id/docs/verifying-a-webhook-request describes."""
    digest = hmac.new(key.encode("utf-8"), body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode("ascii")


def scalapay_signature(key: str, timestamp: str, body: bytes) -> str:
    """Signs as developers.scalapay.com/reference/messages-validation describes."""
    message = b"V1:" + timestamp.encode("ascii") + b":" + body
    return hmac.new(key.encode("utf-8"), message, hashlib.sha256).hexdigest()


def shopline_signature(key: str, timestamp: str, body: bytes) -> str:
    """Signs as shopline-developers.readme.io/docs/webhook-signature describes."""
    message = shopline_message(body, timestamp)
    return hmac.new(key.encode("utf-8"), message, hashlib.sha256).hexdigest()


def shopline_message(body: bytes, timestamp: str) -> bytes:
    """Returns what SHOPLINE signs: the timestamp, a colon and the sorted JSON."""
    value = Parser(body.decode("utf-8")).document()
    return (timestamp + ":" + stringify(value)).encode("utf-8")


def sign(provider: str, event: dict, source: dict) -> dict:
    """Returns a copy of the event whose credential is valid for the source.

    It uses the first signing key or the first URL token, and takes away what
    another scheme has left in the event.
    """
    if provider not in PROVIDERS:
        raise ValueError(f"no such provider: {provider}")
    path = "/" + source_name(event)
    headers: dict[str, str | None] = {SCALEV_SIGNATURE: None, SCALAPAY_SIGNATURE: None}
    query = None
    if source["scheme"] == "url_token":
        path += "/" + source["url_tokens"][0]
    elif source["scheme"] != "signed":
        raise ValueError(f"no such scheme: {source['scheme']}")
    elif provider == "selldone":
        raise ValueError("selldone does not sign")
    else:
        key, body = source["signing_keys"][0], body_bytes(event)
        if provider == "scalev":
            headers[SCALEV_SIGNATURE] = scalev_signature(key, body)
        elif provider == "scalapay":
            timestamp = header(event, SCALAPAY_TIMESTAMP)
            headers[SCALAPAY_SIGNATURE] = scalapay_signature(key, timestamp, body)
        elif provider == "shopline":
            timestamp = header(event, SHOPLINE_TIMESTAMP)
            query = shopline_signature(key, timestamp, body)
        else:
            raise ValueError(f"nobody wrote how {provider} signs")
    signed = copy.deepcopy(event)
    set_path(signed, path)
    for name, value in headers.items():
        set_header(signed, name, value)
    set_query(signed, SHOPLINE_SIGNATURE, query)
    return signed


def set_header(event: dict, name: str, value: str | None) -> None:
    """Sets or removes one header."""
    if value is None:
        event.get("headers", {}).pop(name, None)
    else:
        event.setdefault("headers", {})[name] = value


def set_path(event: dict, path: str) -> None:
    """Sets the path in both places where Lambda writes it."""
    event["rawPath"] = path
    event["requestContext"]["http"]["path"] = path


def set_query(event: dict, name: str, value: str | None) -> None:
    """Sets or removes one query parameter in both places, the others stay."""
    pairs = parse_qsl(event.get("rawQueryString", ""), keep_blank_values=True)
    kept = [pair for pair in pairs if pair[0] != name]
    if value is not None:
        kept.append((name, value))
    event["rawQueryString"] = urlencode(kept)
    if not kept:
        event.pop("queryStringParameters", None)
        return
    # Lambda joins the values of a repeated parameter with commas.
    joined: dict[str, str] = {}
    for key, text in kept:
        joined[key] = joined[key] + "," + text if key in joined else text
    event["queryStringParameters"] = joined


# --- JSON as JavaScript prints it ------------------------------------------


class Number(str):
    """A number as it was written; a float would change it."""


class Parser:
    """Reads JSON (RFC 8259), keeping numbers as text.

    A lone surrogate escape becomes a lone surrogate in the Python string.
    """

    SPACE = re.compile(r"[ \t\n\r]*")
    NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
    PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
    HEX = re.compile(r"[0-9a-fA-F]{4}")
    WORDS = {"true": True, "false": False, "null": None}
    ESCAPES = {
        '"': '"',
        "\\": "\\",
        "/": "/",
        "b": "\b",
        "f": "\f",
        "n": "\n",
        "r": "\r",
        "t": "\t",
    }

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def document(self) -> object:
        """Returns the one value that the text holds."""
        value = self.value()
        self.space()
        if self.at != len(self.text):
            raise self.error("text after the value")
        return value

    def value(self) -> object:
        self.space()
        start = self.text[self.at : self.at + 1]
        if start == "{":
            return self.object()
        if start == "[":
            return self.array()
        if start == '"':
            return self.string()
        for word, value in self.WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value
        number = self.NUMBER.match(self.text, self.at)
        if number is None:
            raise self.error("no value")
        self.at = number.end()
        return Number(number.group())

    def object(self) -> dict[str, object]:
        members: dict[str, object] = {}
        self.expect("{")
        if self.take("}"):
            return members
        while True:
            self.space()
            key = self.string()
            if key in members:
                raise self.error(f"duplicate key {key!r}")
            self.expect(":")
            members[key] = self.value()
            if self.take("}"):
                return members
            self.expect(",")

    def array(self) -> list[object]:
        elements: list[object] = []
        self.expect("[")
        if self.take("]"):
            return elements
        while True:
            elements.append(self.value())
            if self.take("]"):
                return elements
            self.expect(",")

    def string(self) -> str:
        if not self.text.startswith('"', self.at):
            raise self.error("no string")
        self.at += 1
        parts: list[str] = []
        while True:
            plain = self.PLAIN.match(self.text, self.at)
            assert plain is not None
            parts.append(plain.group())
            self.at = plain.end()
            if self.text.startswith('"', self.at):
                self.at += 1
                return join_surrogates("".join(parts))
            if not self.text.startswith("\\", self.at):
                raise self.error("a bare control character, or no end")
            parts.append(self.escape())

    def escape(self) -> str:
        character = self.text[self.at + 1 : self.at + 2]
        if character == "u":
            digits = self.HEX.match(self.text, self.at + 2)
            if digits is None:
                raise self.error("not four hex digits")
            self.at = digits.end()
            return chr(int(digits.group(), 16))
        if character not in self.ESCAPES:
            raise self.error("no such escape")
        self.at += 2
        return self.ESCAPES[character]

    def space(self) -> None:
        space = self.SPACE.match(self.text, self.at)
        assert space is not None
        self.at = space.end()

    def take(self, sign: str) -> bool:
        self.space()
        if not self.text.startswith(sign, self.at):
            return False
        self.at += 1
        return True

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise self.error(f"no {sign}")

    def error(self, what: str) -> ValueError:
        return ValueError(f"{what} at character {self.at}")


def join_surrogates(text: str) -> str:
    """Joins adjacent high and low surrogates into one character."""
    units = text.encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "surrogatepass")


def stringify(value: object) -> str:
    """Returns the value as JavaScript's JSON.stringify prints it, with keys sorted."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        keys = sorted(value, key=key_order)
        members = (quote(key) + ":" + stringify(value[key]) for key in keys)
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(stringify, value)) + "]"
    return {True: "true", False: "false", None: "null"}[value]


def key_order(key: str) -> tuple[int, int, bytes]:
    """Returns the place that JavaScript gives a key of a sorted object.

    Array indices come first, by number, whatever order they were set in.  The
    others follow by UTF-16 code unit, as `Array.prototype.sort` orders them.
    """
    if re.fullmatch(r"0|[1-9][0-9]{0,9}", key, re.ASCII) and int(key) <= 4294967294:
        return (0, int(key), b"")
    return (1, 0, key.encode("utf-16-be", "surrogatepass"))


QUOTED = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


def quote(text: str) -> str:
    """Returns a JSON string with the escapes that JavaScript writes and no others."""
    return '"' + "".join(map(quoted_character, text)) + '"'


def quoted_character(character: str) -> str:
    if character in QUOTED:
        return QUOTED[character]
    if character < " " or "\ud800" <= character <= "\udfff":
        return f"\\u{ord(character):04x}"
    return character


# --- The command -----------------------------------------------------------


def provider_of(file: Path) -> str:
    """Returns the provider of a sample: the folder it lies in."""
    name = file.resolve().parent.name
    if name not in PROVIDERS:
        raise ValueError(f"the folder of {file} is not a provider's")
    return name


def new_sample(like: dict, body: bytes) -> dict:
    """Returns the request of another sample with another body, as text wherever it is text."""
    event = copy.deepcopy(like)
    try:
        event["body"], event["isBase64Encoded"] = body.decode("utf-8"), False
    except UnicodeDecodeError:
        event["body"], event["isBase64Encoded"] = base64.b64encode(body).decode("ascii"), True
    return event


def signed_sample(file: Path, event: dict, sources: dict) -> dict:
    """Returns the event, signed for the source that its path names."""
    provider, name = provider_of(file), source_name(event)
    if name not in sources[provider]["sources"]:
        raise ValueError(f"{provider} has no source {name}")
    return sign(provider, event, sources[provider]["sources"][name])


def main(arguments: list[str] | None = None) -> None:
    """Prints one sample, signed for its source, or writes it."""
    parser = argparse.ArgumentParser(description="Sign a sample delivery.")
    parser.add_argument("file", type=Path, help="events/<provider>/<case>.json")
    parser.add_argument("--sources", type=Path, default=Path("events/sources.json"))
    parser.add_argument("--write", action="store_true", help="write the file instead of printing it")
    parser.add_argument("--like", type=Path, metavar="CASE", help="a new sample: take the request of this one")
    parser.add_argument("--body", type=Path, metavar="FILE", help="take the body from this file, byte for byte")
    options = parser.parse_args(arguments)
    event = json.loads((options.like or options.file).read_text(encoding="utf-8"))
    if options.body:
        event = new_sample(event, options.body.read_bytes())
    sources = json.loads(options.sources.read_text(encoding="utf-8"))
    text = json.dumps(signed_sample(options.file, event, sources), ensure_ascii=False, indent=2) + "\n"
    if options.write:
        options.file.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
