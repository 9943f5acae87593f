"""The deployed pipe as its end-to-end tests see it: requests in; rows, messages and views out.

Nothing here is shared with the receivers: requests are signed by `tests.local.signing`, rows are
decompressed and compared here.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import zstandard
from boto3.dynamodb.types import Binary, TypeDeserializer

from tests.local import run, signing, sources
from tests.local.stack import ROOT, Stack

# Every file of tests has sources of its own, copies of the sample ones, so that no test sees another's rows.
# All are there before the first delivery: a receiver looks for new ones once a minute at most.
PURPOSES = (
    *("once", "twice", "hostile", "forged", "flood", "sizes", "claims", "logs", "watch"),
    *("cli", "look", "replay", "story", "forget", "doctor", "forward", "operators"),
    *("hooks", "reconcile", "forgotten"),
)
# The kinds of rows that no delivery makes.
NOTES = ("relayed", "watch", "forgotten")
# Sources that name the merchants they accept, where the sample ones accept any.
BOUND = {
    ("scalev", "main"): ["41750fd8-e7e2-4887-b348-04c01a547ae0"],
    ("shopline", "app"): ["5f0bda5e4e5fca0010c81fef"],
}

# One source for each way in which deliveries prove themselves.
TARGETS = {
    "scalev": ("scalev", "main"),
    "scalapay": ("scalapay", "it"),
    "shopline-signed": ("shopline", "app"),
    "shopline-token": ("shopline", "tw"),
    "selldone": ("selldone", "main"),
}
SAMPLES = {
    "scalev": "order.created.2026",
    "scalapay": "charged",
    "shopline-signed": "order.create.app",
    "shopline-token": "order.create.new",
    "selldone": "OnlineOrder.CheckoutOrder",
}

WAIT_SECONDS_MAX = 60
STEP_SECONDS = 0.05
# Dictionaries that frames of kept bodies refer to, by number.
DICTIONARIES = {
    dictionary.dict_id(): dictionary
    for path in (ROOT / "shared/edge/dictionaries").glob("*.zdict")
    for dictionary in [zstandard.ZstdCompressionDict(path.read_bytes())]
}
# Headers that differ between any two answers.
OWN_TO_EACH_ANSWER = ("date", "x-amzn-requestid", "x-amzn-trace-id")

Event = dict  # a function URL's request, as in events/
Row = dict


@dataclass(frozen=True)
class Answer:
    """A receiver's answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Message:
    """One message of WorkQueue."""

    text: str
    group: str
    deduplication: str

    @property
    def event(self) -> dict:
        return json.loads(self.text)


@dataclass
class Pipe:
    """A deployed stack, with what the tests send into it and take out of it."""

    stack: Stack
    messages: list[Message] = field(default_factory=list, repr=False)
    # Signatures and tokens that were ever sent: none of them may be in a log.
    credentials: set[str] = field(default_factory=set, repr=False)
    _receiving: threading.Lock = field(default_factory=threading.Lock, repr=False)

    # --- In

    def send(self, provider: str, event: Event, connection: http.client.HTTPConnection | None = None) -> Answer:
        """Sends a request event over the wire, as it is."""
        headers = run.sent_headers(event)
        return self.request(
            provider,
            event["rawPath"],
            signing.body_bytes(event),
            list(headers.items()),
            event.get("rawQueryString", ""),
            connection=connection,
        )

    def request(
        self,
        provider: str,
        path: str,
        body: bytes,
        headers: Iterable[tuple[str, str]] = (),
        query: str = "",
        *,
        method: str = "POST",
        host: str | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> Answer:
        """Sends one request; a header may be there twice. A `host` reaches the function by its path."""
        self._remember(path, headers, query)
        if host is None:
            host = urlsplit(self.stack.url(provider)).netloc
        else:
            path = self.stack.local_path(provider) + path
        own = connection or self.stack.connect()
        try:
            own.putrequest(method, path + (f"?{query}" if query else ""), skip_host=True, skip_accept_encoding=True)
            for name, value in [("host", host), ("content-length", str(len(body))), *headers]:
                own.putheader(name, value)
            own.endheaders(body)
            answer = own.getresponse()
            headers = sorted((name.lower(), value) for name, value in answer.getheaders())
            headers = tuple(pair for pair in headers if pair[0] not in OWN_TO_EACH_ANSWER)
            return Answer(answer.status, headers, answer.read())
        finally:
            if connection is None:
                own.close()

    def invoke(self, provider: str, event: Event) -> dict:
        """Hands a request event to a receiver without HTTP in between."""
        return self.stack.invoke(f"{provider.capitalize()}Function", event)

    def send_all(self, jobs: Iterable[tuple[str, Event]], clients: int) -> list[Answer]:
        """Sends requests by several clients at once, each over one connection; answers in the order of the jobs."""
        jobs = list(jobs)
        answers: list[Answer | None] = [None] * len(jobs)
        waiting = iter(enumerate(jobs))
        lock = threading.Lock()

        def client(_: int) -> None:
            connection = self.stack.connect()
            while True:
                with lock:
                    number, job = next(waiting, (None, None))
                if job is None:
                    break
                answers[number] = self.send(*job, connection=connection)
            connection.close()

        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(client, range(clients)))
        return answers

    def send_in_order(self, jobs: Iterable[tuple[str, Event]]) -> list[Answer]:
        """Sends requests in their order; the providers, which share nothing, side by side."""
        jobs = list(jobs)
        by_provider = {p: [index for index, job in enumerate(jobs) if job[0] == p] for p in signing.PROVIDERS}
        answers: dict[int, Answer] = {}

        def client(indexes: list[int]) -> None:
            connection = self.stack.connect()
            for index in indexes:
                answers[index] = self.send(*jobs[index], connection=connection)
            connection.close()

        with ThreadPoolExecutor(len(by_provider)) as pool:
            list(pool.map(client, by_provider.values()))
        return [answers[index] for index in range(len(jobs))]

    def signed(self, provider: str, event: Event, purpose: str | None = None) -> Event:
        """Returns the event for the purpose's copy of its source, with a valid credential."""
        event = copy.deepcopy(event)
        name = signing.source_name(event) + (f"-{purpose}" if purpose else "")
        signing.set_path(event, f"/{name}")
        return signing.sign(provider, event, self.source(provider, name))

    def source(self, provider: str, name: str) -> dict:
        """Returns a source, keys and tokens included."""
        return self.stack.sources[provider]["sources"][name]

    def _remember(self, path: str, headers: Iterable[tuple[str, str]], query: str) -> None:
        credentials = [value for name, value in headers if "hmac" in name.lower()]
        credentials += path.split("/")[2:] + re.findall(r"sign=([^&]*)", query)
        # Shorter ones are truncated or empty on purpose, and would be found anywhere.
        self.credentials |= {credential for credential in credentials if 16 <= len(credential) <= 200}

    # --- Out

    def rows(self, provider: str = "", source: str = "") -> dict[str, Row]:
        """Returns the rows of the events table by id, all of them or those of one source."""
        prefix = f"{provider}/{source}/" if source else ""
        rows = self._scan("EventsTable", prefix)
        # The relay's notes and the watch's memory come by their own clocks.
        return {f"{row['pk']}/{row['sk']}": row for row in rows if row.get("kind") not in NOTES}

    def body(self, row: Row) -> bytes:
        """Returns a row's body, decompressed; from its chunks where it has some."""
        if "body" in row:
            compressed = row["body"]
        else:
            names = [f"chunk/{row['chunks_of']}/{number}" for number in range(int(row["chunks"]))]
            pieces = [self._item({"pk": name, "sk": "~"})["body"] for name in names]
            compressed = b"".join(pieces)
        return decompress(compressed)

    def views(self, provider: str = "", source: str = "") -> dict[str, Row]:
        """Returns the order views by partition key, their `view` as JSON text."""
        prefix = f"{provider}/{source}/" if source else ""
        rows = {row["pk"]: row for row in self._scan("OrdersTable", prefix)}
        for row in rows.values():
            row["view"] = decompress(row["view"]).decode()
        return rows

    def refused(self, provider: str, source: str) -> list[Row]:
        """Returns the quarantine's rows for a source; `~` for unknown ones."""
        return list(self._scan("EventsTable", f"refused/{provider}/{source}"))

    def tables(self) -> dict[str, dict[str, Row]]:
        """Returns everything in both tables."""
        return {
            "events": self.rows(),
            "orders": {row["pk"]: row for row in self._scan("OrdersTable", "")},
        }

    def read(self, event_id: str) -> dict:
        """Returns the event as the read function does."""
        return self.stack.invoke("ReadFunction", {"id": event_id})

    def readings(self, source: str) -> dict[str, dict]:
        """Returns every kept event of a source (`scalapay/it`) as the read function does, by id."""
        rows = self.rows(*source.split("/"))
        return {id_: self.read(id_) for id_, row in rows.items() if row["kind"] == "event"}

    def received(self, prefix: str = "") -> dict[str, list[Message]]:
        """Returns the messages so far by event id; an event may have come more than once."""
        found: dict[str, list[Message]] = {}
        for message in self.messages:
            event_id = message.event["id"]
            if event_id.startswith(prefix):
                found.setdefault(event_id, []).append(message)
        return found

    def wait_for_messages(self, ids: Iterable[str]) -> dict[str, Message]:
        """Takes messages off WorkQueue until each of these events has come; the first message of each."""
        missing = set(ids)
        wanted = frozenset(missing)
        missing -= self.received().keys()
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while missing:
            missing -= {message.event["id"] for message in self.receive()}
            assert time.monotonic() < deadline, f"{len(missing)} events never came: {sorted(missing)[:5]}"
        return {event_id: came[0] for event_id, came in self.received().items() if event_id in wanted}

    def wait_for_views(self) -> None:
        """Waits until OrdersQueue is empty. The relay serves it before WorkQueue: wait for messages first."""
        wait_until(lambda: run.messages(self.stack, "OrdersQueueUrl") == 0, "OrdersQueue is not empty")

    def receive(self) -> list[Message]:
        """Takes what WorkQueue has to offer just now."""
        client, queue = self.stack.client("sqs"), self.stack.outputs["WorkQueueUrl"]
        with self._receiving:
            answer = client.receive_message(
                QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1, AttributeNames=["All"]
            )
            came = answer.get("Messages", [])
            if came:
                entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(came)]
                deleted = client.delete_message_batch(QueueUrl=queue, Entries=entries)
                assert not deleted.get("Failed"), deleted["Failed"]
            messages = [
                Message(m["Body"], m["Attributes"]["MessageGroupId"], m["Attributes"]["MessageDeduplicationId"])
                for m in came
            ]
            self.messages += messages
        return messages

    def dead_letters(self) -> dict[str, int | None]:
        """Returns how many messages each dead letter queue of ours holds."""
        return {
            name: run.messages(self.stack, name)
            for name in ("RelayDeadLetterQueueUrl", "OrdersDeadLetterQueueUrl")
        }

    def _item(self, key: dict[str, str]) -> Row:
        named = {name: {"S": value} for name, value in key.items()}
        answer = self.stack.client("dynamodb").get_item(
            TableName=self.stack.outputs["EventsTable"], Key=named, ConsistentRead=True
        )
        return plain(answer["Item"])

    def _scan(self, table: str, prefix: str) -> Iterator[Row]:
        query: dict = {"TableName": self.stack.outputs[table], "ConsistentRead": True}
        if prefix:
            query["FilterExpression"] = "begins_with(pk, :prefix)"
            query["ExpressionAttributeValues"] = {":prefix": {"S": prefix}}
        for page in self.stack.client("dynamodb").get_paginator("scan").paginate(**query):
            yield from map(plain, page["Items"])


def open_pipe(stack: Stack) -> Pipe:
    """Returns the pipe of a freshly deployed stack, with the tests' own sources added."""
    for provider, secret in stack.sources.items():
        for name, sample in list(secret["sources"].items()):
            for purpose in PURPOSES:
                secret["sources"][f"{name}-{purpose}"] = sources.with_own_keys(sample, {})
            if (provider, name) in BOUND:
                bound = sample | {"merchants": BOUND[provider, name]}
                secret["sources"][f"{name}-bound"] = sources.with_own_keys(bound, {})
    sources.fill_secrets(stack, lambda _: None)
    return Pipe(stack)


@contextmanager
def stack_of_outputs(stack: Stack, name: str, outputs: dict[str, str]) -> Iterator[str]:
    """Gives a second stack's name, which has outputs and nothing behind them but what they name."""
    template = {
        "Resources": {"Nothing": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {output: {"Value": value} for output, value in outputs.items()},
    }
    client = stack.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps(template))
    client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    try:
        yield name
    finally:
        client.delete_stack(StackName=name)


# --- Requests --------------------------------------------------------------


def sample(provider: str, case: str) -> Event:
    """Returns one of the sample deliveries."""
    return json.loads((run.EVENTS / provider / f"{case}.json").read_text(encoding="utf-8"))


def reading(file: Path) -> dict:
    """Returns what is to be read in a sample delivery."""
    return json.loads(file.with_suffix(".event.json").read_text(encoding="utf-8"))


def request(provider: str, source: str, body: bytes, headers: dict[str, str] | None = None) -> Event:
    """Returns a request event with this body, not signed yet; its times are of 2026."""
    timestamps = {
        "scalapay": {signing.SCALAPAY_TIMESTAMP: "1780000000000"},
        "shopline": {signing.SHOPLINE_TIMESTAMP: "1780000000"},
    }
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": f"/{source}",
        "rawQueryString": "",
        "headers": {"content-type": "application/json"} | timestamps.get(provider, {}) | (headers or {}),
        "requestContext": {"http": {"method": "POST", "path": f"/{source}"}},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


# --- Looking ---------------------------------------------------------------


def wait_until(holds: Callable[[], bool], otherwise: str, seconds: float = WAIT_SECONDS_MAX) -> None:
    """Asks again and again, for a bounded time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{otherwise} after {seconds} s"
        time.sleep(STEP_SECONDS)


def plain(item: dict) -> Row:
    """Returns an item's attributes as Python values."""
    values = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
    return {name: bytes(value) if isinstance(value, Binary) else value for name, value in values.items()}


def decompress(compressed: bytes) -> bytes:
    """Undoes zstd, whether or not the frame has its length, with the dictionary that it names."""
    dictionary = DICTIONARIES.get(zstandard.get_frame_parameters(compressed).dict_id)
    return zstandard.ZstdDecompressor(dict_data=dictionary).decompressobj().decompress(compressed)


def sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
