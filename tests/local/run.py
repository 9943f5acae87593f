"""Sends every sample delivery through the local stack, and follows one order from its deliveries to its view.

    python -m tests.local.run [--port 4566] [--only 'scalev/*'] [--all] [--json]

The operator's tool sends: `hookmill send` signs each case of `events/` with this stack's keys, posts it to
its receiver's function URL and looks for what was kept.  Bodies and their timestamps stay as they are, so
that a second run sends the very same deliveries, and all of them must be repeats.
The tests sign by another hand (`tests.local.signing`), so that what is wrong both ways is noticed.
"""

from __future__ import annotations

import argparse
import base64
import fnmatch
import functools
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.local import package, signing
from tests.local.ministack import clean_environment
from tests.local.stack import ROOT, FunctionFailed, Stack, StackError, add_arguments, up_from

EVENTS = ROOT / "events"
DRAIN_SECONDS_MAX = 60
QUIET_SECONDS = 3
# Headers that the caller's side of the connection makes, or Lambda adds.
NOT_SENT = ("host", "content-length", "connection", "via")
NOT_SENT_PREFIXES = ("x-forwarded-", "x-amzn-", "x-amz-")
# The words of `hookmill send` for a delivery that made a row.
KEPT = ("new", "conflict", "revision", "possiblyrepeated")
# The order that is followed, if it was sent: a payment from its creation to its refunds.
STORY = "scalapay/it/21KLT3YDWT"
# The read function's type of error for an event whose body was erased.
ERASED = "Erased"
ORDER_COLUMNS = ("pk", "order_state", "payment_state", "fulfillment_state", "total", "currency", "refunded")


@dataclass
class Sent:
    """One delivery, and what it led to."""

    provider: str
    case: str
    answer: int | None
    outcome: str
    event: str | None
    milliseconds: int
    type: str | None = None

    @property
    def failed(self) -> bool:
        """The delivery failed on our side, which no sample may bring about."""
        return self.outcome in ("failed", "missing") or (self.type or "").startswith("error")


# --- The cases -------------------------------------------------------------


def cases(only: str = "*") -> list[Path]:
    """Returns the deliveries in `events/`, in the order in which each provider's are sent."""
    return [
        file
        for provider in signing.PROVIDERS
        for file in sorted((EVENTS / provider).glob("*.json"))
        if not file.name.endswith(".event.json") and fnmatch.fnmatch(f"{provider}/{file.stem}", only)
    ]


def sent_headers(event: dict) -> dict[str, str]:
    """Returns the headers that the provider itself sent."""
    return {
        name: value
        for name, value in event["headers"].items()
        if name.lower() not in NOT_SENT and not name.lower().startswith(NOT_SENT_PREFIXES)
    }


# --- Sending ---------------------------------------------------------------


def send_all(stack: Stack, tool: Path, files: list[Path], progress: Progress) -> list[Sent]:
    """Sends the cases: the providers side by side, each provider's one after another."""
    groups = [[file for file in files if file.parent.name == provider] for provider in signing.PROVIDERS]
    with ThreadPoolExecutor(len(groups)) as pool:
        done = pool.map(functools.partial(send_group, stack, tool, progress=progress), groups)
        return [sent for group in done for sent in group]


def send_group(stack: Stack, tool: Path, files: list[Path], progress: Progress) -> list[Sent]:
    """Sends one provider's cases with the operator's tool, which reports what each was kept as."""
    if not files:
        return []
    command = [tool, f"--local={stack.port}", "--json", "send", *files]
    own = clean_environment(stack.port)
    ran = subprocess.run(command, env=own, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    if len(lines) != len(files):
        raise StackError(f"hookmill send failed:\n{ran.stderr[-2000:]}")
    progress.step(len(lines))
    return [sent_of(line) for line in lines]


def sent_of(line: dict) -> Sent:
    """Reads a line of `hookmill send`; further rows under a known name (a conflict, a revision) are kept too."""
    provider, case = line["case"].split("/", 1)
    outcome = {kept: "kept" for kept in KEPT}.get(line["kept"], line["kept"])
    return Sent(provider, case, line["answer"], outcome, line["id"], line["ms"])


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
    """Returns the number of messages in a queue, hidden ones included; None where there is no such queue."""
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
        except FunctionFailed as error:
            delivery.type = "erased" if error.type == ERASED else f"error: {error}"
        except (StackError, KeyError, TypeError) as error:
            delivery.type = f"error: {error!r}"

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, deliveries))


def orders(stack: Stack) -> list[dict[str, str]]:
    """Returns every order's view, as its row's plain attributes."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["OrdersTable"])
    rows = [
        {name: next(iter(value.values())) for name, value in row.items() if value.keys() & {"S", "N"}}
        for page in pages
        for row in page["Items"]
    ]
    return sorted(rows, key=lambda row: row["pk"])


def counts(stack: Stack, deliveries: list[Sent], views: list[dict]) -> dict[str, int | float | None]:
    """Returns the totals."""
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

    def step(self, count: int) -> None:
        self.done += count
        if self.terminal:
            end = "\n" if self.done == self.total else ""
            print(f"\r  sent {self.done}/{self.total}", end=end, file=sys.stderr, flush=True)
        else:
            print(f"  sent {self.done}/{self.total}", file=sys.stderr, flush=True)


def table(heads: tuple[str, ...], rows: list[tuple]) -> str:
    """Returns text in columns."""
    cells = [[("–" if value in (None, "") else str(value)) for value in row] for row in [heads, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = ["  ".join(value.ljust(width) for value, width in zip(row, widths)).rstrip() for row in cells]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(lines)


def show(stack: Stack, tool: Path, deliveries: list[Sent], views: list[dict], totals: dict, every: bool) -> None:
    """Prints one order's story or every delivery and order, the totals, and where to go from here."""
    if every:
        heads = ("provider", "case", "answer", "outcome", "type", "event")
        print("\n" + table(heads, [tuple(getattr(sent, head) for head in heads) for sent in deliveries]))
        columns = ORDER_COLUMNS + tuple(name for name in ("events",) if any(name in view for view in views))
        print("\n" + table(columns, [tuple(view.get(name) for name in columns) for view in views]))
    else:
        print(story(stack, tool, deliveries, views))
    print("\n" + table(("count", "value"), [item for item in totals.items() if item[1] is not None]))
    print(further(stack, tool))


def story(stack: Stack, tool: Path, deliveries: list[Sent], views: list[dict]) -> str:
    """Returns one order's way: its deliveries, a message that a consumer gets, and its view."""
    of_order = functools.partial(events_of, deliveries)
    chosen = max((view["pk"] for view in views), key=lambda pk: (pk == STORY, len(of_order(pk))), default=None)
    sent = of_order(chosen) if chosen else []
    if not sent:
        return "\nNone of these deliveries belongs to an order."
    provider = sent[0].provider
    latest = sent[-1].event
    try:
        message = json.dumps(stack.invoke("ReadFunction", {"id": latest}), indent=2, ensure_ascii=False)
    except FunctionFailed as error:
        if error.type != ERASED:
            raise
        message = "None: what is personal in this order was erased with hookmill forget. It stays so, whatever is sent again."
    lines = [
        f"\nOne order's way, {chosen}",
        f"\n1. {provider} posts deliveries to its function URL. Each is checked, kept once, and answered:\n",
        indented(table(("case", "answer", "outcome", "type"), [(s.case, s.answer, s.outcome, s.type) for s in sent])),
        "\n2. The relay sends each kept event to your queue, WorkQueue, as one message; the last of these:\n",
        indented(message),
        f"\n3. The order's events together are its view:  {proposed(stack, tool)} orders show {chosen}\n",
        indented(run_tool(stack, tool, "orders", "show", chosen)),
    ]
    return "\n".join(lines)


def events_of(deliveries: list[Sent], order: str) -> list[Sent]:
    """Returns the deliveries whose events belong to an order."""
    return [sent for sent in deliveries if (sent.event or "").startswith(order + "/")]


def run_tool(stack: Stack, tool: Path, *arguments: str) -> str:
    """Returns what the operator's tool prints."""
    ran = subprocess.run(
        [tool, f"--local={stack.port}", *arguments],
        env=clean_environment(stack.port),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return (ran.stdout if ran.returncode == 0 else ran.stdout + ran.stderr).rstrip()


def proposed(stack: Stack, tool: Path) -> str:
    """Returns the beginning of a command that can be pasted: the tool's path, and the stack's port."""
    tool = tool.relative_to(ROOT) if tool.is_relative_to(ROOT) else tool
    return f"{tool} --local{'' if stack.port == 4566 else f'={stack.port}'}"


def indented(text: str) -> str:
    """Returns the text with every line moved in."""
    return "\n".join(f"   {line}".rstrip() for line in text.splitlines())


def further(stack: Stack, tool: Path) -> str:
    """Returns the next commands for a stack that is left running."""
    state = stack.state.relative_to(ROOT) if stack.state.is_relative_to(ROOT) else stack.state
    port = "" if stack.port == 4566 else f" PORT={stack.port}"
    hookmill = proposed(stack, tool)
    variables = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1"
    return f"""
The stack stays up: {stack.endpoint}
  every delivery         make run{port} ARGS=--all    (sends them again: each must be a repeat)
  latest events          {hookmill} events list
  orders                 {hookmill} orders list
  a source of your own   {hookmill} sources add selldone/shop --any-merchant
  everything else        {hookmill} --help
  names and URLs         make status{port}
  one signed delivery    make sign{port} CASE=scalev/order.created.2026
  by hand                "By hand" in docs/operations.md signs a body for {stack.local_url("scalev")}main
  any AWS client         AWS_ENDPOINT_URL={stack.endpoint} {variables}
  keys and URL tokens    {state}/sources.json
  log                    {state}/ministack.log
  stop                   make stop{port}              (its data goes with it)"""


# --- The command -----------------------------------------------------------


def run(stack: Stack, tool: Path, files: list[Path], say) -> tuple[list[Sent], list[dict], dict, bool]:
    """Sends, waits, and collects what there is to show; the last value is whether all is well."""
    say(f"Sending {len(files)} deliveries …")
    before = messages(stack, "WorkQueueUrl") or 0
    deliveries = send_all(stack, tool, files, Progress(len(files)))
    kept = sum(delivery.outcome == "kept" for delivery in deliveries)
    say("Waiting for the stream and the queues …")
    drained = wait_until_drained(stack, before + kept)
    if not drained:
        say(f"Not drained after {DRAIN_SECONDS_MAX} s: see {stack.state / 'ministack.log'}")
    say("Reading the results …")
    read_types(stack, deliveries)
    views = orders(stack)
    totals = counts(stack, deliveries, views)
    dead = totals["dead letters of the relay"] or totals["dead letters of the order view"]
    return deliveries, views, totals, drained and not dead and not any(sent.failed for sent in deliveries)


def as_json(deliveries: list[Sent], views: list[dict], totals: dict) -> str:
    """Returns the content of the tables as JSON."""
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
    parser.add_argument("--all", action="store_true", help="show every delivery and order, not one order's story")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    options = parser.parse_args(arguments)
    say = functools.partial(print, file=sys.stderr, flush=True)
    try:
        stack = up_from(options, say)
        tool = options.binaries.resolve() / "hookmill"
        if not tool.is_file():
            raise package.MissingBinary(f"{tool} is missing. Build it with: make binaries")
        deliveries, views, totals, well = run(stack, tool, cases(options.only), say)
    except (StackError, package.MissingBinary) as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(as_json(deliveries, views, totals))
    else:
        show(stack, tool, deliveries, views, totals, options.all)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
