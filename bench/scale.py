"""Finds the first limit at 10, 1,000, 10,000 and 100,000 deliveries a second: measured counts against AWS's quotas.

    python -m bench.scale .local/bench.json

Each line is one limit: what is needed at that rate, what there is by default, which parameter or quota raises it. The
arithmetic is here, the quotas with their pages and date in `quotas.json`, the assumed times of AWS's services in
`prices.json`.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.bill import WITH_VIEWS, behind, designs, receiving

HERE = Path(__file__).parent
RATES = (10, 1_000, 10_000, 100_000)
SOURCES = 1
# A table's partitions take what a partition can, less what is lost to uneven keys.
EVENNESS = 0.7


@dataclass(frozen=True)
class Limit:
    """One limit at one rate."""

    rate: int
    what: str
    needed: float
    available: float
    raise_it: str
    keeps_order: bool = True

    @property
    def holds(self) -> bool:
        return self.needed <= self.available


def limits(measured: dict, prices: dict, quotas: dict, rate: int) -> list[Limit]:
    """Every limit at one rate of deliveries a second, all of them new, of one source."""
    quota = {name: entry["value"] for name, entry in quotas.items() if isinstance(entry, dict) and "value" in entry}
    template = quotas["template"]
    rows = [row for row in measured["rows"] if row["contender"] == "hookmill"]
    works = [receiving(row, "new", prices, 256, logs=False) for row in rows]
    units = max(work.write_units for work in works)
    base_units = units - template["index_write_units_of_an_event"]
    receiver_ms = max(work.billed_ms for work in works)
    curves = {curve["what"]: curve for curve in measured["growth"]}
    relay = behind(curves["relay: records in a batch"], 100, prices, 512, 0, None)
    orders = behind(curves["orders: messages in a batch"], 10, prices, 256, 2, None)
    sends = relay.queue_requests
    # The stream has a shard for each of the table's partitions, and each shard one invocation at a time. A new table has
    # four: its 4,000 write units.
    new_table = quota["new_table_write_units_per_second"] / quota["partition_write_units_per_second"]
    written = rate * (base_units + relay.write_units)
    partitions = max(int(new_table), math.ceil(written / (quota["partition_write_units_per_second"] * EVENNESS)))
    relay_rate = partitions * template["stream_batch"] * template["parallelization_factor"] / (relay.billed_ms / 1_000)
    concurrency = rate * receiver_ms / 1_000
    orders_busy = rate * orders.requests * orders.billed_ms / 1_000
    index_rate = SOURCES * template["time_shards_of_a_source"] * quota["partition_write_units_per_second"]
    return [
        Limit(rate, "receivers at once", concurrency, quota["lambda_concurrency"], "Lambda's concurrency quota"),
        Limit(rate, "calls of the function URL a second", rate, quota["lambda_concurrency"] * quota["lambda_requests_per_second_of_concurrency"], "Lambda's concurrency quota"),
        Limit(rate, "write units a second, a new table", rate * units, quota["new_table_write_units_per_second"], "the table's warm throughput before the day"),
        Limit(rate, "write units a second, the table's quota", rate * units, quota["table_write_units_per_second"], "DynamoDB's table quota"),
        Limit(rate, "order views: write units a second, a new table", rate * orders.write_units, quota["new_table_write_units_per_second"], "the orders table's warm throughput before the day"),
        Limit(rate, "order views: write units a second, the table's quota", rate * orders.write_units, quota["table_write_units_per_second"], "DynamoDB's table quota"),
        Limit(rate, "the relay's notes: write units a second of one key", rate * relay.write_units, quota["partition_write_units_per_second"], "notes of less than ten minutes a key (edge::relayed)"),
        Limit(rate, "time index: writes a second of one source", rate * template["index_write_units_of_an_event"], index_rate, "more shards of the time index (item::TIME_SHARDS, read by every walk), or several sources"),
        Limit(rate, f"relay: events a second from {partitions} shards", rate, relay_rate, "ParallelizationFactor above 1", keeps_order=False),
        Limit(rate, "queue: send calls a second", rate * sends, quota["fifo_calls_per_second"], "SQS's quota of the region"),
        Limit(rate, "orders: functions at once", orders_busy, template["orders_maximum_concurrency"], "OrdersMaximumConcurrency, to 1,000"),
        Limit(rate, "orders: messages in flight", orders_busy * 10, quota["fifo_in_flight"], "a queue more"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    measured = json.loads(arguments.measured.read_text())
    prices, quotas = (json.loads((HERE / name).read_text()) for name in ("prices.json", "quotas.json"))
    ours = next((design for design in designs(measured, prices, logs=True) if design.name == WITH_VIEWS), None)
    if ours is None:
        print("What limits first needs hookmill and its growth to be measured.")
        return
    table = [limit for rate in RATES for limit in limits(measured, prices, quotas, rate)]
    per_month = {rate: ours.cost(prices, 0.0) / 1e6 * rate * 86_400 * 30 for rate in RATES}
    if arguments.json:
        print(json.dumps({"limits": [asdict(limit) | {"holds": limit.holds} for limit in table], "dollars_a_month": per_month}, indent=2))
        return
    for rate in RATES:
        of_rate = [limit for limit in table if limit.rate == rate]
        print(f"{rate:,} deliveries a second ({per_month[rate]:,.0f} dollars a month with order views and logs)")
        for limit in sorted(of_rate, key=lambda limit: limit.available / limit.needed):
            word = "holds" if limit.holds else "RAISE"
            order = "" if limit.keeps_order else " (costs order)"
            print(f"  {word}  {limit.what:<54} {limit.needed:>12,.1f} of {limit.available:>12,.1f}  {limit.raise_it}{order}")


if __name__ == "__main__":
    main()
