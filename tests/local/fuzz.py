"""Fuzzes the targets of `tests/fuzz` under libFuzzer and reports each one's result.

    python -m tests.local.fuzz [--seconds 60] [--runs 1000000] [--json] [target …]

Builds with cargo-fuzz on the pinned toolchain, writes the seeds, then runs one target after the other.
What libFuzzer learns stays in `target/fuzz-corpus`, so that the next run goes on from there.
Standard library only.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CRATE = ROOT / "tests" / "fuzz"
LIBFUZZER = CRATE / "libfuzzer"
CORPUS = ROOT / "target" / "fuzz-corpus"
FINDINGS = ROOT / "target" / "fuzz-findings"
RSS_LIMIT_MB = 512
INPUT_SECONDS_MAX = 5
PULSE_SECONDS = 15


@dataclass
class Result:
    """The result of one target."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    per_second: int = 0
    peak_rss_mb: int = 0
    coverage: int = 0
    corpus: int = 0
    findings: list[str] = field(default_factory=list)


def main() -> int:
    """Runs what was asked for. Fails when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="target", help="all, where none is named")
    parser.add_argument("--seconds", type=int, default=60, help="how long each target runs (60)")
    parser.add_argument("--runs", type=int, default=0, help="end a target after this number of executions")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    arguments = parser.parse_args()
    known = re.findall(r'^name = "(\w+)"\npath', (LIBFUZZER / "Cargo.toml").read_text(), re.MULTILINE)
    strange = [target for target in arguments.targets if target not in known]
    if strange:
        parser.error(f"no such target: {', '.join(strange)}; there are {', '.join(known)}")
    targets = arguments.targets or known

    folder = build(targets)
    seeds()
    results = [run(folder / target, arguments.seconds, arguments.runs) for target in targets]
    print(json.dumps([asdict(result) for result in results], indent=2) if arguments.json else table(results))
    for result in results:
        for finding in result.findings:
            advise(folder / result.target, result.target, finding)
    return 1 if any(result.findings for result in results) else 0


def build(targets: list[str]) -> Path:
    """Builds the targets and returns their folder."""
    folder = ROOT / "target" / "fuzz"
    # cargo-fuzz passes no --locked on, so the lock file is checked here.
    locked = ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", LIBFUZZER / "Cargo.toml"]
    subprocess.run(locked, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    command = ["cargo", "fuzz", "build", "--fuzz-dir", str(LIBFUZZER), "--target-dir", str(folder)]
    # Without a sanitizer no nightly is needed. One target or all of them: cargo-fuzz takes no list.
    command += ["--sanitizer", "none", "--debug-assertions", *(targets if len(targets) == 1 else [])]
    say(f"Building into {folder.relative_to(ROOT)} (the first time takes some minutes) …")
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)
    return next(folder.glob("*/release"))


def seeds() -> None:
    """Writes the seeds and the dictionary."""
    command = ["cargo", "run", "--quiet", "--locked", "-p", "fuzz", "--bin", "seeds", "--", str(CORPUS)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)


def run(binary: Path, seconds: int, runs: int) -> Result:
    """Runs one target and shows its pulse. The first finding ends it."""
    target = binary.name
    corpus = CORPUS / target
    learned, findings = corpus / "learned", FINDINGS / target
    learned.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    command = [
        str(binary), str(learned), str(corpus / "seeds"),
        *([str(CRATE / "regressions" / target)] if (CRATE / "regressions" / target).is_dir() else []),
        f"-max_total_time={seconds}", f"-rss_limit_mb={RSS_LIMIT_MB}",
        f"-timeout={INPUT_SECONDS_MAX}", f"-max_len={(corpus / 'bytes_max').read_text()}",
        f"-dict={CORPUS / 'dictionary'}", f"-artifact_prefix={findings}/", "-print_final_stats=1",
        *([f"-runs={runs}"] if runs else []),
    ]
    say(f"{target}: {seconds} s …")
    result, started, reported = Result(target), time.monotonic(), 0.0
    tail: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stderr or ():
            tail = [*tail[-14:], line.rstrip()]
            if read_pulse(line, result) and time.monotonic() - reported > PULSE_SECONDS:
                reported = time.monotonic()
                say(f"  {result.executions:>12,} executions, {result.coverage:,} edges, {result.corpus:,} inputs kept")
            if statistic := re.match(r"stat::(\w+):\s+(\d+)", line):
                read_statistic(statistic[1], int(statistic[2]), result)
    result.seconds = round(time.monotonic() - started, 1)
    result.per_second = round(result.executions / max(result.seconds, 0.1))
    result.findings = sorted(str(path.relative_to(ROOT)) for path in set(findings.iterdir()) - before)
    if process.returncode and not result.findings:
        result.findings = [f"ended with {process.returncode}"]
    if result.findings:
        say("\n".join(tail))
    return result


def read_pulse(line: str, result: Result) -> bool:
    """Takes libFuzzer's line on how far it is."""
    pulse = re.match(r"#(\d+)\s+\w+\s+cov: (\d+).*? corp: (\d+)", line)
    if pulse:
        result.executions, result.coverage, result.corpus = map(int, pulse.groups())
    return bool(pulse)


def read_statistic(name: str, value: int, result: Result) -> None:
    """Takes one of libFuzzer's last lines."""
    if name == "number_of_executed_units":
        result.executions = value
    if name == "peak_rss_mb":
        result.peak_rss_mb = value


def table(results: list[Result]) -> str:
    """Returns the results for people."""
    head = ("target", "executions", "seconds", "a second", "edges", "peak MB", "findings")
    rows = [
        (result.target, f"{result.executions:,}", f"{result.seconds:,.0f}", f"{result.per_second:,}",
         f"{result.coverage:,}", str(result.peak_rss_mb), str(len(result.findings)))
        for result in results
    ]
    rows.append(("all", f"{sum(result.executions for result in results):,}",
                 f"{sum(result.seconds for result in results):,.0f}", "", "",
                 str(max((result.peak_rss_mb for result in results), default=0)),
                 str(sum(len(result.findings) for result in results))))
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [[cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths, strict=True))]
             for row in (head, ["─" * width for width in widths], *rows)]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def advise(binary: Path, target: str, finding: str) -> None:
    """Says how to reproduce a finding, and where it is kept once it is fixed."""
    say(f"\n{target}: {finding}")
    if (ROOT / finding).is_file():
        say(f"  again:    {binary.relative_to(ROOT)} {finding}")
        say(f"  smallest: {binary.relative_to(ROOT)} -minimize_crash=1 -max_total_time=60 -exact_artifact_path=smallest {finding}")
        say(f"  keep as:  tests/fuzz/regressions/{target}/<what it is>, which `cargo test -p fuzz` then runs")


def say(text: str) -> None:
    """Progress goes to the standard error, so that --json is JSON alone."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
