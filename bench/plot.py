"""Draws what the benchmark measured: processor time beside the others', and how it grows.

    python -m bench.plot .local/bench.json .local/bench/measured.svg
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "hookmill"
import matplotlib.pyplot as plt  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", type=Path)
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    measured = json.loads(arguments.measured.read_text())
    names = list(dict.fromkeys(row["contender"] for row in measured["rows"]))
    figure, axes = plt.subplots(2, 2, figsize=(12, 8), layout="constrained")
    bars(axes[0][0], measured, names, "Processor time of a new delivery, µs", lambda row: row["warm"]["new"]["cpu_us"]["median"])
    bars(axes[0][1], measured, names, "Start to first poll, ms", lambda row: row["init_ms"]["median"])
    bars(axes[1][0], measured, names, "Peak memory, MB", lambda row: row["peak_bytes"]["median"] / 1e6)
    growth = axes[1][1]
    growth.set_title("Growth: processor time, µs, by what grows")
    for curve in measured["growth"]:
        sizes = [point["size"] for point in curve["points"]]
        times = [point["cpu_us"] for point in curve["points"]]
        growth.loglog(sizes, times, marker="o", label=f"{curve['what']} ({curve['exponent']:.2f})")
    growth.legend(fontsize=8, title="exponent in brackets")
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.picture, metadata={"Date": None})


def bars(axes: plt.Axes, measured: dict, names: list[str], title: str, value) -> None:
    """The median over targets, a bar a contender."""
    medians = [statistics.median(value(row) for row in measured["rows"] if row["contender"] == name) for name in names]
    axes.set_title(title)
    axes.barh(names, medians)
    axes.set_xscale("log")
    axes.invert_yaxis()
    for at, median in enumerate(medians):
        axes.annotate(f" {median:,.1f}", (median, at), va="center", fontsize=8)


if __name__ == "__main__":
    main()
