"""Calculates the cost of a million deliveries with each design: measured counts and processor times, times list prices.

    python -m bench.bill .local/bench.json

Calls, write units, bytes and processor time are measured by the benchmark; prices, and how long AWS's own services
take, are in `prices.json` with their date. Billed time is processor time at the memory's share of a core, and the
waiting for every call, rounded up to a millisecond an invocation.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tests.local import template

HERE = Path(__file__).parent
REPEATS = (0.0, 0.1, 0.5)
MILLION = 1_000_000
RECEIVER_MB = 256
TO_WORK, WITH_VIEWS = "hookmill, to the work queue", "hookmill, with order views"
# Bytes of log lines, with the 26 that CloudWatch adds to each: the receivers' and the relay's one a delivery are means
# over all samples; the orders function writes none when all is well. Lambda adds START, END and REPORT to an invocation.
RECEIVER_LINE_BYTES = 487 + 26
RELAY_LINE_BYTES = 421 + 26
LAMBDA_LINES_BYTES = 70 + 50 + 170 + 3 * 26
CALL_MS = {"PutItem": "put_ms", "UpdateItem": "put_ms", "GetItem": "get_ms", "SendMessage": "send_ms", "SendMessageBatch": "send_ms"}


@dataclass
class Work:
    """The calls to AWS for one delivery, or one event behind it."""

    requests: float = 0.0
    billed_ms: float = 0.0
    memory_mb: int = 256
    write_units: float = 0.0
    read_units: float = 0.0
    queue_requests: float = 0.0
    gateway_requests: float = 0.0
    log_bytes: float = 0.0


@dataclass
class Design:
    """One way of receiving: what a new delivery and a repeat cost, and what follows a new one."""

    name: str
    new: Work
    repeat: Work
    after: list[Work] = field(default_factory=list)

    def cost(self, prices: dict, repeats: float) -> float:
        """Dollars for a million deliveries of which this share are repeats."""
        new = (1 - repeats) * (dollars(self.new, prices) + sum(dollars(work, prices) for work in self.after))
        return MILLION * (new + repeats * dollars(self.repeat, prices))


def dollars(work: Work, prices: dict) -> float:
    """The cost of one piece of work."""
    gb_seconds = work.requests * math.ceil(work.billed_ms) / 1_000 * work.memory_mb / 1_024
    per_million = (
        work.requests * prices["lambda_per_million_requests"]
        + work.write_units * prices["dynamodb_per_million_write_units"]
        + work.read_units * prices["dynamodb_per_million_read_units"]
        + work.queue_requests * prices["sqs_fifo_per_million_requests"]
        + work.gateway_requests * prices["http_api_per_million_requests"]
    )
    return per_million / MILLION + gb_seconds * prices["lambda_per_gb_second"] + work.log_bytes / 1e9 * prices["logs_per_gb"]


def invocation(cpu_us: float, calls: dict[str, float], prices: dict, memory_mb: int) -> float:
    """Billed milliseconds of one invocation."""
    assumed = prices["assumed"]
    share = min(1.0, memory_mb / assumed["memory_mb_of_a_core"])
    waiting = sum(count * assumed[CALL_MS[name]] for name, count in calls.items() if name in CALL_MS)
    return cpu_us / 1_000 / share + waiting


def receiving(row: dict, kind: str, prices: dict, memory_mb: int, logs: bool) -> Work:
    """Returns the cost of a receiver's warm invocation of a kind, from its measured row."""
    warm = row["warm"][kind]
    each = {name: count / warm["invocations"] for name, count in warm["counts"]["calls"].items()}
    queue = each.get("SendMessage", 0) + each.get("SendMessageBatch", 0)
    return Work(
        requests=1,
        billed_ms=invocation(warm["cpu_us"]["median"], each, prices, memory_mb),
        memory_mb=memory_mb,
        write_units=warm["counts"]["write_units"] / warm["invocations"],
        read_units=warm["counts"]["read_units"] / warm["invocations"],
        queue_requests=queue,
        log_bytes=RECEIVER_LINE_BYTES + LAMBDA_LINES_BYTES if logs else 0,
    )


def behind(curve: dict, size: int, prices: dict, memory_mb: int, receives: float, line_bytes: int | None) -> Work:
    """Returns the cost of one event to a function that gets batches of this size; no line bytes mean no logs at all."""
    point = next(point for point in curve["points"] if point["size"] == size)
    batches = point["events"] / size
    calls = {name: count / batches for name, count in point["counts"]["calls"].items()}
    sends = calls.get("SendMessageBatch", 0) + calls.get("SendMessage", 0)
    return Work(
        requests=1 / size,
        billed_ms=invocation(point["cpu_us"], calls, prices, memory_mb),
        memory_mb=memory_mb,
        write_units=point["counts"]["write_units"] / point["events"],
        read_units=point["counts"]["read_units"] / point["events"],
        queue_requests=(sends + receives) / size,
        log_bytes=0 if line_bytes is None else line_bytes + LAMBDA_LINES_BYTES / size,
    )


def averaged(rows: list[dict], contender: str, kind: str, prices: dict, logs: bool) -> Work:
    """The mean over all targets."""
    works = [asdict(receiving(row, kind, prices, RECEIVER_MB, logs)) for row in rows if row["contender"] == contender]
    return Work(**{name: statistics.fmean(work[name] for work in works) for name in works[0]})


def designs(measured: dict, prices: dict, logs: bool, relay_batch: int = 10, orders_batch: int = 5) -> list[Design]:
    """Every design, from what was measured of it; the batches are what Lambda hands over at a time."""
    rows = measured["rows"]
    curves = {curve["what"]: curve for curve in measured["growth"]}

    def of(contender: str) -> tuple[Work, Work]:
        return tuple(averaged(rows, contender, kind, prices, logs) for kind in ("new", "repeat"))

    def there(*contenders: str) -> bool:
        return all(any(row["contender"] == contender for row in rows) for contender in contenders)

    found = []
    if there("hookmill") and curves:
        found += of_hookmill(of("hookmill"), curves, prices, logs, relay_batch, orders_batch)
    if there("rust-sample"):
        found += of_sample(of("rust-sample"), prices, logs, gateway_batch=relay_batch)
    others = {"python-send": "Powertools idempotency (Python)", "node-send": "Powertools idempotency (Node.js)"}
    return found + [Design(name, *of(contender)) for contender, name in others.items() if there(contender)]


def of_hookmill(ours: tuple[Work, Work], curves: dict, prices: dict, logs: bool, relay_batch: int, orders_batch: int) -> list[Design]:
    """Ours, with the relay behind it as it is deployed, for two queues; and with the order views."""
    relay = behind(curves["relay: records in a batch"], relay_batch, prices, 512, 0, RELAY_LINE_BYTES if logs else None)
    # A receive and a delete a batch; the view costs a read and a write.
    orders = behind(curves["orders: messages in a batch"], orders_batch, prices, 256, 2, 0 if logs else None)
    return [Design(TO_WORK, *ours, after=[relay]), Design(WITH_VIEWS, *ours, after=[relay, orders])]


def of_sample(sample: tuple[Work, Work], prices: dict, logs: bool, gateway_batch: int) -> list[Design]:
    """The usual designs in Rust: an inline send, a status beside it, or a queue in front of it all."""
    # A status written to the row after the send: one more call, and the row's units once more.
    put_ms = prices["assumed"]["put_ms"]
    after_status = replace(sample[0], write_units=2 * sample[0].write_units, billed_ms=sample[0].billed_ms + put_ms)
    return [
        Design("inline put and send (Rust)", *sample),
        Design("put, send, status update (Rust)", after_status, sample[1]),
        Design("HTTP API to SQS, then put (Rust)", *(gateway(work, sample[1], gateway_batch, logs) for work in sample)),
    ]


def gateway(work: Work, put: Work, batch: int, logs: bool) -> Work:
    """A gateway in front of a queue knows no provider: it takes all, and a function behind it verifies and puts, which
    is what a repeat costs in time, for a batch at a time."""
    return Work(
        requests=1 / batch,
        billed_ms=batch * put.billed_ms,
        memory_mb=work.memory_mb,
        write_units=work.write_units,
        # The gateway's send, and a receive and a delete a batch.
        queue_requests=1 + 2 / batch,
        gateway_requests=1,
        log_bytes=RECEIVER_LINE_BYTES + LAMBDA_LINES_BYTES / batch if logs else 0,
    )


def fixed_costs(prices: dict) -> dict[str, float]:
    """Dollars a month however little is delivered, by what the template makes with its defaults."""
    # SAM's transform asks for a region, whichever.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    assumed, made = prices["assumed"], template.translate(template.source())
    secrets, alarms, dashboards = (
        len(template.of_type(made, kind))
        for kind in ("AWS::SecretsManager::Secret", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard")
    )
    polls = 30 * 86_400 / assumed["poll_seconds"] * assumed["pollers_of_an_idle_queue"]
    runs = 30 * 86_400 / 300
    return {
        f"{secrets} secrets": secrets * prices["secret_per_month"],
        f"{assumed['metrics']} metrics of a deployment with one provider": assumed["metrics"] * prices["metric_per_month"],
        f"{alarms} alarms": alarms * prices["alarm_per_month"],
        f"{dashboards} dashboard, unless it is one of an account's first three": dashboards * prices["dashboard_per_month"],
        f"{polls:,.0f} polls of the idle orders queue": polls / MILLION * prices["sqs_fifo_per_million_requests"],
        f"{runs:,.0f} runs of the watch": assumed["watch_dollars_a_month"],
    }


def goals(table: dict, prices: dict) -> list[dict]:
    """The targets of the bill, and whether they are met."""
    if TO_WORK not in table:
        return []
    work, views = (table[name] for name in (TO_WORK, WITH_VIEWS))
    figures = [
        ("dollars a million, to the work queue, without logs", work["0% repeats"]["without"], 2.50),
        ("dollars a million, with order views and logs", views["0% repeats"]["with logs"], 4.00),
    ]
    for repeats in work:
        others = [costs[repeats]["without"] for name, costs in table.items() if not name.startswith("hookmill")]
        if others:
            what = f"to the work queue / the cheapest other design, {repeats}"
            figures.append((what, work[repeats]["without"] / min(others), 1.0))
    return [{"what": what, "value": value, "at_most": most, "met": value <= most} for what, value, most in figures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", type=Path)
    parser.add_argument("--prices", type=Path, default=HERE / "prices.json")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    measured, prices = json.loads(arguments.measured.read_text()), json.loads(arguments.prices.read_text())
    table, trickle = priced(measured, prices), priced(measured, prices, relay_batch=1, orders_batch=1)
    trickle = {name: costs for name, costs in trickle.items() if name in (TO_WORK, WITH_VIEWS)}
    fixed, met = fixed_costs(prices), goals(table, prices)
    if arguments.json:
        whole = {"per_million_deliveries": table, "in_batches_of_one": trickle, "fixed_a_month": fixed, "goals": met}
        print(json.dumps({"prices": prices} | whole, indent=2))
        return
    print(f"US dollars for a million deliveries; list prices of {prices['date']}; with logs (without)")
    print(f"{'design':<36}" + "".join(f"{f'{repeats:.0%} repeats':>18}" for repeats in REPEATS))
    for name, costs in [*table.items(), *((f"{name}, a trickle", costs) for name, costs in trickle.items())]:
        cells = (f"{cost['with logs']:.2f} ({cost['without']:.2f})" for cost in costs.values())
        print(f"{name:<36}" + "".join(f"{cell:>18}" for cell in cells))
    print("A trickle comes in batches of one. Fixed costs, dollars a month however little is delivered:")
    for name, cost in fixed.items():
        print(f"{name:<66}{cost:>8.2f}")
    print(f"{'together':<66}{sum(fixed.values()):>8.2f}")
    for goal in met:
        verdict = "met" if goal["met"] else "NOT MET"
        print(f"{goal['what']:<66}{goal['value']:>8.3f}  target ≤ {goal['at_most']:.3f}  {verdict}")


def priced(measured: dict, prices: dict, **batches: int) -> dict[str, dict[str, dict[str, float]]]:
    """Dollars for a million deliveries by design and share of repeats, with logs and without."""
    logged, bare = (designs(measured, prices, logs, **batches) for logs in (True, False))
    return {
        with_logs.name: {
            f"{repeats:.0%} repeats": {"with logs": with_logs.cost(prices, repeats), "without": without.cost(prices, repeats)}
            for repeats in REPEATS
        }
        for with_logs, without in zip(logged, bare, strict=True)
    }


if __name__ == "__main__":
    main()
