"""The providers' own APIs as the tests play them: one server on this machine, which nothing else is asked for.

It answers in the documented forms alone, demands the credential, and remembers what it was asked.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.local.sources import read_secret
from tests.local.stack import Stack

CREDENTIAL = "q8Vq2b7xGkP4mZ1sW0-tests"
HANDLE = "example-shop"
ORDERS_A_PAGE = 7


class Api:
    """The provider's data, and the requests that it got."""

    def __init__(self) -> None:
        self.webhooks: dict[str, dict] = {}
        # SHOPLINE's orders, the newest first.
        self.orders: list[dict] = []
        self.payments: dict[str, dict] = {}
        self.refunds: list[dict] = []
        self.asked: list[tuple[str, str, dict | None]] = []
        # Answers to give instead: a status, and how often.
        self.failing: tuple[int, int] = (0, 0)
        # It is made, but the answer is not sent.
        self.loses_answers = False
        self.base = ""
        self.lock = threading.Lock()

    @property
    def shop(self) -> dict:
        """The account of a SHOPLINE shop, which is asked for here."""
        return {"token": CREDENTIAL, "handle": HANDLE, "base_url": self.base}

    def fail(self, status: int, times: int) -> None:
        """Answers the next calls so."""
        self.failing = (status, times)

    def answer(self, method: str, target: str, body: dict | None, authorization: str) -> tuple[int, object]:
        with self.lock:
            self.asked.append((method, target, body))
            status, times = self.failing
            if times:
                self.failing = (status, times - 1)
                return status, {"error": "from a test"}
            if authorization != f"Bearer {CREDENTIAL}":
                return 401, {"error": "no"}
            parts = urlsplit(target)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            return self.route(method, parts.path.strip("/").split("/"), query, body)

    def route(self, method: str, path: list[str], query: dict[str, str], body: dict | None) -> tuple[int, object]:
        match (method, path):
            case "GET", ["v1", "webhooks"]:
                return 200, {"items": list(self.webhooks.values()), "pagination": {"total_pages": 1}}
            case "POST", ["v1", "webhooks"]:
                made = webhook(f"5f8e5dc08a8bb70a5c9cd9{len(self.webhooks):02x}", body or {})
                self.webhooks[made["id"]] = made
                return 200, made
            case "GET" | "PUT" | "DELETE", ["v1", "webhooks", name] if name in self.webhooks:
                if method == "PUT":
                    self.webhooks[name] |= body or {}
                found = self.webhooks[name]
                if method == "DELETE":
                    del self.webhooks[name]
                return 200, found
            case "GET", ["v1", "orders", "search"]:
                ids = [order["id"] for order in self.orders]
                start = ids.index(query["previous_id"]) + 1 if "previous_id" in query else 0
                return 200, {"items": self.orders[start : start + ORDERS_A_PAGE]}
            case "GET", ["v1", "orders", name]:
                found = [order for order in self.orders if order["id"] == name]
                return (200, found[0]) if found else (410, {"error": "archived"})
            case "GET", ["v2", "payments", token] if token in self.payments:
                return 200, self.payments[token]
            case "GET", ["v1", "reporting", "payouts"]:
                return 200, {"items": [{"merchantPayoutToken": "P1"}], "hasMore": False}
            case "GET", ["v1", "reporting", "payouts", _, "refunds"]:
                return 200, {"items": self.refunds, "hasMore": False}
            case "GET", ["v1", "reporting", "refunds"]:
                return 200, {"items": [], "hasMore": False}
            case _:
                return 404, {"error": "no such thing"}


def webhook(name: str, given: dict) -> dict:
    """Returns a webhook in SHOPLINE's documented form."""
    return {
        "id": name,
        "format": "json",
        "address": given.get("address"),
        "status": "active",
        "merchant_id": "5fc5ea00c43d7f001003999d",
        "created_at": "2020-10-20T03:50:00.323Z",
        "updated_at": "2020-10-23T08:43:00.369Z",
        "topics": given.get("topics", []),
    }


@contextmanager
def serving() -> Iterator[Api]:
    """Serves a provider's API while the block lasts."""
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, document = api.answer(self.command, self.path, body, self.headers.get("authorization", ""))
            if api.loses_answers and self.command == "POST":
                self.close_connection = True
                return
            text = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def own_accounts(stack: Stack) -> Iterator[None]:
    """Restores the accounts' secret afterwards."""
    client, secret = stack.client("secretsmanager"), stack.outputs["AccountsSecret"]
    before = read_secret(client, secret) or {"accounts": {}}
    try:
        yield
    finally:
        client.put_secret_value(SecretId=secret, SecretString=json.dumps(before))


def put_account(stack: Stack, name: str, account: dict) -> None:
    """Gives a source its account, beside those that are there."""
    client = stack.client("secretsmanager")
    secret = stack.outputs["AccountsSecret"]
    known = (read_secret(client, secret) or {}).get("accounts", {})
    client.put_secret_value(SecretId=secret, SecretString=json.dumps({"accounts": known | {name: account}}))
