"""Sends every sample delivery through the local stack and shows what became of each.

    python -m tests.local.run [--port 4566] [--only 'scalev/*'] [--json]

Each case of `events/` goes as a real HTTP request to its receiver's function URL, with a credential
that is valid for this stack.  Bodies and their timestamps stay as they are, so that a second run
sends the very same deliveries, and all of them must be repeats.
"""

from __future__ import annotations

import argparse
import base64
import fnmatch
import functools
import hashlib
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.local import package, signing
from tests.local.stack import ROOT, Stack, StackError, add_arguments, up_from

EVENTS = ROOT / "events"
DRAIN_SECONDS_MAX = 60
QUIET_SECONDS = 3
# Headers that the caller's side of the connection makes, or Lambda adds.
NOT_SENT = ("host", "content-length", "connection", "via")
NOT_SENT_PREFIXES = ("x-forwarded-", "x-amzn-", "x-amz-")
ORDER_COLUMNS = ("pk", "order_state", "payment_state", "fulfillment_state", "total", "currency", "refunded")


@dataclass
class Sent:
    """One delivery, and what it led to."""

    provider: str
    case: str
    answer: int
    outcome: str
    event: str | None
    milliseconds: float
    type: str | None = None

    @property
    def failed(self) -> bool:
        """Whether our side was at fault, which no sample may bring about."""
        return self.answer >= 500 or (self.type or "").startswith("error")


# --- The cases -------------------------------------------------------------


def cases(only: str = "*") -> list[Path]:
    """The deliveries in `events/`, in the order in which each provider's are sent."""
    return [
        file
        for provider in signing.PROVIDERS
        for file in sorted((EVENTS / provider).glob("*.json"))
        if not file.name.endswith(".event.json") and fnmatch.fnmatch(f"{provider}/{file.stem}", only)
    ]


def signed(stack: Stack, provider: str, event: dict) -> dict:
    """The event with this stack's credential; as it is, where it names no source that we have."""
    source = stack.sources[provider]["sources"].get(signing.source_name(event))
    return signing.sign(provider, event, source) if source else event


def sent_headers(event: dict) -> dict[str, str]:
    """The headers that the provider itself sent."""
    return {
        name: value
        for name, value in event["headers"].items()
        if name.lower() not in NOT_SENT and not name.lower().startswith(NOT_SENT_PREFIXES)
    }


# --- Sending ---------------------------------------------------------------


def send_all(stack: Stack, files: list[Path], progress: Progress) -> list[Sent]:
    """Sends the cases: the providers side by side, each provider's one after another."""
    groups = [[file for file in files if file.parent.name == provider] for provider in signing.PROVIDERS]
    with ThreadPoolExecutor(len(groups)) as pool:
        done = pool.map(functools.partial(send_group, stack, progress=progress), groups)
        return [sent for group in done for sent in group]


def send_group(stack: Stack, files: list[Path], progress: Progress) -> list[Sent]:
    """Sends one provider's cases over one connection.

    Only this thread writes this provider's rows, so a row that was not there before a delivery is
    what the delivery was kept as.
    """
    if not files:
        return []
    provider = files[0].parent.name
    rows = Rows(stack, provider)
    rows.added()
    connection = stack.connect()
    results = []
    for file in files:
        results.append(send(stack, provider, file, rows, connection))
        progress.step()
    connection.close()
    return results


def send(stack: Stack, provider: str, file: Path, rows: Rows, connection) -> Sent:
    """Sends one case and looks for what it was kept as."""
    event = signed(stack, provider, json.loads(file.read_text(encoding="utf-8")))
    body = signing.body_bytes(event)
    began = time.monotonic()
    answer, _ = stack.post(
        provider,
        event["rawPath"],
        body,
        sent_headers(event),
        event.get("rawQueryString", ""),
        method=event["requestContext"]["http"]["method"],
        connection=connection,
    )
    took = (time.monotonic() - began) * 1000
    added = rows.added()
    if answer != 200:
        outcome, kept_as = "refused", None
    elif added:
        outcome, kept_as = "kept", added[0]
    else:
        outcome, kept_as = "repeat", rows.with_body(body)
    return Sent(provider, file.stem, answer, outcome, kept_as, round(took, 1))


class Rows:
    """One provider's event rows, and which of them are new since the last look."""

    def __init__(self, stack: Stack, provider: str) -> None:
        self.pages = stack.client("dynamodb").get_paginator("scan")
        self.query = {
            "TableName": stack.outputs["EventsTable"],
            "ConsistentRead": True,
            "FilterExpression": "#kind = :event AND begins_with(pk, :provider)",
            "ProjectionExpression": "pk, sk, #hash",
            "ExpressionAttributeNames": {"#kind": "kind", "#hash": "hash"},
            "ExpressionAttributeValues": {":event": {"S": "event"}, ":provider": {"S": f"{provider}/"}},
        }
        self.hashes: dict[str, bytes] = {}

    def added(self) -> list[str]:
        """The ids of the rows that were not there at the last call."""
        now = {
            f"{row['pk']['S']}/{row['sk']['S']}": row.get("hash", {}).get("B", b"")
            for page in self.pages.paginate(**self.query)
            for row in page["Items"]
        }
        new = sorted(now.keys() - self.hashes.keys())
        self.hashes = now
        return new

    def with_body(self, body: bytes) -> str | None:
        """The id of the first row that was made from this body."""
        wanted = hashlib.sha256(body).digest()
        return min((event for event, hash_ in self.hashes.items() if hash_ == wanted), default=None)


# --- What came of them -----------------------------------------------------


def wait_until_drained(stack: Stack, work_expected: int) -> bool:
    """Waits until the stream and our queue are empty.

    The relay serves OrdersQueue before WorkQueue, so when WorkQueue has every message, OrdersQueue
    had them too.  Where the user's own consumer takes messages away, three quiet seconds must do.
    """
    deadline = time.monotonic() + DRAIN_SECONDS_MAX
    last, since = None, time.monotonic()
    while time.monotonic() < deadline:
        work = messages(stack, "WorkQueueUrl")
        orders = messages(stack, "OrdersQueueUrl")
        if (work, orders) != last:
            last, since = (work, orders), time.monotonic()
        complete = work is not None and work >= work_expected
        if orders == 0 and (complete or time.monotonic() - since > QUIET_SECONDS):
            return True
        time.sleep(0.2)
    return False


def messages(stack: Stack, output: str) -> int | None:
    """How many messages a queue holds, hidden ones included; None where there is no such queue."""
    if output not in stack.outputs:
        return None
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    attributes = stack.client("sqs").get_queue_attributes(QueueUrl=stack.outputs[output], AttributeNames=names)
    return sum(int(attributes["Attributes"].get(name, 0)) for name in names)


def read_types(stack: Stack, deliveries: list[Sent]) -> None:
    """Asks the read function what each kept event is in our vocabulary."""

    def read(delivery: Sent) -> None:
        if delivery.event is None:
            return
        try:
            delivery.type = stack.invoke("ReadFunction", {"id": delivery.event})["type"]
        except (StackError, KeyError, TypeError) as error:
            delivery.type = f"error: {error!r}"

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, deliveries))


def orders(stack: Stack) -> list[dict[str, str]]:
    """Every order's view, as its row's plain attributes."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["OrdersTable"])
    rows = [
        {name: next(iter(value.values())) for name, value in row.items() if value.keys() & {"S", "N"}}
        for page in pages
        for row in page["Items"]
    ]
    return sorted(rows, key=lambda row: row["pk"])


def counts(stack: Stack, deliveries: list[Sent], views: list[dict]) -> dict[str, int | float | None]:
    """The totals."""
    times = sorted(delivery.milliseconds for delivery in deliveries)
    outcomes = [delivery.outcome for delivery in deliveries]
    return {
        "deliveries": len(deliveries),
        "kept": outcomes.count("kept"),
        "repeats": outcomes.count("repeat"),
        "refused": outcomes.count("refused"),
        "orders": len(views),
        "messages on WorkQueue": messages(stack, "WorkQueueUrl"),
        "dead letters of the relay": messages(stack, "RelayDeadLetterQueueUrl"),
        "dead letters of the order view": messages(stack, "OrdersDeadLetterQueueUrl"),
        "median answer, ms": times[len(times) // 2] if times else None,
        "99 of 100 answers within, ms": times[len(times) * 99 // 100] if times else None,
        "slowest answer, ms": times[-1] if times else None,
    }


# --- Showing ---------------------------------------------------------------


class Progress:
    """Counts on standard error; on a terminal in one line."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.terminal = sys.stderr.isatty()

    def step(self) -> None:
        self.done += 1
        if self.terminal:
            end = "\n" if self.done == self.total else ""
            print(f"\r  sent {self.done}/{self.total}", end=end, file=sys.stderr, flush=True)
        elif self.done % 25 == 0 or self.done == self.total:
            print(f"  sent {self.done}/{self.total}", file=sys.stderr, flush=True)


def table(heads: tuple[str, ...], rows: list[tuple]) -> str:
    """Text in columns."""
    cells = [[("–" if value in (None, "") else str(value)) for value in row] for row in [heads, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = ["  ".join(value.ljust(width) for value, width in zip(row, widths)).rstrip() for row in cells]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(lines)


def show(stack: Stack, deliveries: list[Sent], views: list[dict], totals: dict) -> None:
    """Prints the tables, and where to go from here."""
    heads = ("provider", "case", "answer", "outcome", "type", "event")
    print("\n" + table(heads, [tuple(getattr(sent, head) for head in heads) for sent in deliveries]))
    columns = ORDER_COLUMNS + tuple(name for name in ("events",) if any(name in view for view in views))
    print("\n" + table(columns, [tuple(view.get(name) for name in columns) for view in views]))
    print("\n" + table(("count", "value"), [item for item in totals.items() if item[1] is not None]))
    print(further(stack))


def further(stack: Stack) -> str:
    """How to use the stack that is left running."""
    state = stack.state.relative_to(ROOT) if stack.state.is_relative_to(ROOT) else stack.state
    port = "" if stack.port == 4566 else f" PORT={stack.port}"
    variables = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1"
    return f"""
The stack stays up: {stack.endpoint}
  send them again        make run{port}            (every one must be a repeat)
  names and URLs         make status{port}
  one signed delivery    make sign{port} CASE=scalev/order.created.2026
  by hand                curl -i -X POST {stack.local_url("scalev")}<source>
  any AWS client         AWS_ENDPOINT_URL={stack.endpoint} {variables}
  keys and URL tokens    {state}/sources.json
  log                    {state}/ministack.log
  stop                   make stop{port}           (its data goes with it)"""


# --- The command -----------------------------------------------------------


def run(stack: Stack, files: list[Path], say) -> tuple[list[Sent], list[dict], dict, bool]:
    """Sends, waits, and collects what there is to show; the last value tells whether all is well."""
    say(f"Sending {len(files)} deliveries …")
    before = messages(stack, "WorkQueueUrl") or 0
    deliveries = send_all(stack, files, Progress(len(files)))
    kept = sum(delivery.outcome == "kept" for delivery in deliveries)
    say("Waiting for the stream and the queues …")
    drained = wait_until_drained(stack, before + kept)
    if not drained:
        say(f"Not drained after {DRAIN_SECONDS_MAX} s: see {stack.state / 'ministack.log'}")
    say("Reading what came of them …")
    read_types(stack, deliveries)
    views = orders(stack)
    totals = counts(stack, deliveries, views)
    dead = totals["dead letters of the relay"] or totals["dead letters of the order view"]
    return deliveries, views, totals, drained and not dead and not any(sent.failed for sent in deliveries)


def as_json(deliveries: list[Sent], views: list[dict], totals: dict) -> str:
    """The same as the tables."""
    return json.dumps(
        {"deliveries": [vars(sent) for sent in deliveries], "orders": views, "counts": totals},
        indent=2,
        ensure_ascii=False,
        default=lambda value: base64.b64encode(value).decode(),
    )


def main(arguments: list[str] | None = None) -> int:
    """Brings the stack up, sends the cases, prints what happened."""
    parser = argparse.ArgumentParser(description="Send every sample through the local stack.")
    add_arguments(parser)
    parser.add_argument("--only", default="*", help="a pattern of cases, such as 'scalev/order.*'")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    say = functools.partial(print, file=sys.stderr, flush=True)
    try:
        stack = up_from(options, say)
        deliveries, views, totals, well = run(stack, cases(options.only), say)
    except (StackError, package.MissingBinary) as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(as_json(deliveries, views, totals))
    else:
        show(stack, deliveries, views, totals)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
