"""Puts what a benchmark measured into `docs/measurements.md`, between its marks.

    python -m bench.summary .local/bench/measured.json docs/measurements.md
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
from pathlib import Path

from bench import bill, scale


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """The machine in a line."""
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.processor())
    rust = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    return f"{os.cpu_count()} cores ({cpu}), Linux {platform.release()}, {rust}"


def median(rows: list[dict], value) -> float:
    return statistics.median(value(row) for row in rows)


def contenders(measured: dict) -> str:
    """One line a contender: medians over the samples."""
    lines = []
    for contender in measured["contenders"]:
        rows = [row for row in measured["rows"] if row["contender"] == contender["name"]]

        def warm(kind: str, value, rows: list[dict] = rows) -> str:
            there = [row for row in rows if kind in row["warm"]]
            return f"{median(there, lambda row: value(row['warm'][kind])):,.0f}" if there else "–"

        lines.append(
            [
                f"**{contender['what']}**" if contender["name"] == "hookmill" else contender["what"],
                f"{median(rows, lambda row: row['init_ms']['median']):,.1f}",
                f"{median(rows, lambda row: row['first_ms']['median']):,.1f}",
                *(warm("new", lambda found, key=key: found[key]["median"]) for key in ("p50_us", "p95_us", "p99_us")),
                *(warm(kind, lambda found: found["cpu_us"]["median"]) for kind in ("new", "repeat", "forged")),
                f"{median(rows, lambda row: row['peak_bytes']['median']) / 1e6:,.1f}",
            ]
        )
    head = ["", "init ms", "first ms", "p50 µs", "p95 µs", "p99 µs", "CPU µs, new", "repeat", "forged", "peak MB"]
    return table(head, lines)


def samples(measured: dict) -> str:
    """Ours by sample: times and counts."""
    rows = [row for row in measured["rows"] if row["contender"] == "hookmill"]
    lines = []
    for row in rows:
        new, repeat = row["warm"]["new"], row["warm"]["repeat"]
        each = lambda warm, count: f"{warm['counts'][count] / warm['invocations']:.2f}"  # noqa: E731
        calls = sum(new["counts"]["calls"].values()) / new["invocations"]
        spread = f"{new['cpu_us']['median']:.0f} ({new['cpu_us']['least']:.0f} to {new['cpu_us']['greatest']:.0f})"
        lines.append([row["target"], spread, f"{repeat['cpu_us']['median']:.0f}", f"{calls:.2f}", each(new, "write_units"), each(repeat, "write_units"), f"{new['counts']['request_bytes'] / new['invocations']:,.0f}"])
    head = ["sample", "CPU µs, new (rounds)", "repeat", "calls", "write units, new", "write units, repeat", "bytes to AWS"]
    return table(head, lines)


def growth(measured: dict) -> str:
    """Each curve in a line."""
    lines = []
    for curve in measured["growth"]:
        points = ", ".join(f"{point['size']:,}: {point['cpu_us']:,.0f}" for point in curve["points"])
        lines.append([curve["what"], f"{curve['exponent']:.2f}", points])
    return table(["what grows", "exponent", "size: CPU µs an invocation"], lines)


def goals(found: list[dict]) -> str:
    """Every target."""
    lines = []
    for goal in found:
        least, greatest = goal.get("spread", (0, 0))
        spread = f" ({least:.3g} to {greatest:.3g})" if least != greatest else ""
        lines.append([goal["what"], f"{goal['value']:.3g}{spread}", f"{goal['at_most']:.3g}", "yes" if goal["met"] else "**no**"])
    return table(["target", "measured", "at most", "met"], lines)


def dollars(priced: dict) -> str:
    """The bill by design."""
    lines = [[name, *(f"{cost['with logs']:.2f} ({cost['without']:.2f})" for cost in costs.values())] for name, costs in priced.items()]
    return table(["dollars a million deliveries, with logs (without)", *next(iter(priced.values()))], lines)


def limits(measured: dict, prices: dict) -> str:
    """Lists the limits at each rate, the tightest first, without those that hold ten times over."""
    quotas = json.loads((scale.HERE / "quotas.json").read_text())
    lines = []
    for rate in scale.RATES:
        found = scale.limits(measured, prices, quotas, rate)
        for limit in sorted(found, key=lambda limit: limit.available / limit.needed):
            if limit.available < 10 * limit.needed:
                word = "holds" if limit.holds else "**raise**"
                order = "; costs order" if not limit.keeps_order else ""
                lines.append([f"{rate:,}", limit.what, f"{limit.needed:,.0f}", f"{limit.available:,.0f}", word, f"{limit.raise_it}{order}"])
    return table(["deliveries a second", "limit", "needed", "there is", "", "what raises it"], lines)


def put(document: Path, name: str, parts: list[str]) -> None:
    """Replaces what is between two marks of a document."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = document.read_text().partition(begin)
    after = rest.partition(end)[2]
    document.write_text(f"{before}{begin}\n\n" + "\n\n".join(parts) + f"\n\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", type=Path)
    parser.add_argument("document", type=Path)
    parser.add_argument("--command", default="make bench")
    arguments = parser.parse_args()
    measured = json.loads(arguments.measured.read_text())
    prices = json.loads((bill.HERE / "prices.json").read_text())
    priced = bill.priced(measured, prices)
    trickle = bill.priced(measured, prices, relay_batch=1, orders_batch=1)
    trickle = {f"{name}, a trickle": costs for name, costs in trickle.items() if name in (bill.TO_WORK, bill.WITH_VIEWS)}
    when = f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}, `{arguments.command}`, {measured['rounds']} rounds, {machine()}"
    figures = [
        f"{when}; functions on one core.",
        contenders(measured),
        "Ours by sample:",
        samples(measured),
        "Targets:",
        goals(measured["goals"] + bill.goals(priced, prices)),
        "Growth:",
        growth(measured),
        f"The bill at list prices of {prices['date']}:",
        dollars(priced | trickle),
    ]
    put(arguments.document, "figures", figures)
    put(arguments.document, "limits", [f"{when}.", limits(measured, prices)])


if __name__ == "__main__":
    main()
