"""Proves that the simulator can fail: builds it with one deliberate defect after the other, and looks for each.

    python -m tests.simulator.defects [--seeds 12] [--orders 20] [--json] [defect …]

A defect is a patch in `tests/simulator/defects`, with the invariant that it breaks and the check that finds it in its
head. It is applied to a copy of the sources in `target/defects`, never to the sources themselves. The copy is built
beside them: only what the patch touches, and what depends on it, is compiled.
A defect that no seed shows is looked for in ten times the number of seeds before it counts as missed.
Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).resolve().parent / "defects"
SCRATCH = ROOT / "target" / "defects"
COPY = SCRATCH / "defective"
IN_COPY = f"--directory={COPY.relative_to(ROOT)}"
MORE = 10
HEAD = re.compile(r"(?P<summary>.+)\n\nBreaks: (?P<invariant>.+)\nFound by: (?P<check>\w+) in (?P<file>\S+)\n\n--- ")


@dataclass
class Defect:
    """A patch and what its head says."""

    name: str
    summary: str
    invariant: str
    check: str
    file: str

    @property
    def patch(self) -> Path:
        """Returns the patch's path."""
        return PATCHES / f"{self.name}.patch"


@dataclass
class Result:
    """In how many seeds a defect was found, and in which first."""

    defect: str
    invariant: str
    found_in: int = 0
    seeds: int = 0
    first: int | None = None
    seconds: float = 0.0
    problem: str | None = None


def main() -> int:
    """Runs what was asked for. Fails when a defect is not found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("defects", nargs="*", metavar="defect", help="names of patches; default: all")
    parser.add_argument("--seeds", type=int, default=12, help="seeds to run for each defect (12)")
    parser.add_argument("--orders", type=int, default=20, help="orders in each seed (20)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    arguments = parser.parse_args()
    known = {defect.name: defect for defect in all_defects()}
    if strange := [name for name in arguments.defects if name not in known]:
        parser.error(f"no such defect: {', '.join(strange)}; there are {', '.join(known)}")
    chosen = [known[name] for name in arguments.defects or known]
    copy_sources()
    results = []
    for number, defect in enumerate(chosen, 1):
        say(f"{number} of {len(chosen)}: {defect.name} …")
        results.append(look_for(defect, arguments.seeds, arguments.orders))
        say(f"  {outcome(results[-1])}, {results[-1].seconds:.0f} s")
    print(json.dumps([asdict(result) for result in results], indent=2) if arguments.json else table(results))
    return 0 if all(result.found_in for result in results) else 1


def all_defects() -> list[Defect]:
    """Reads every patch's head."""
    return [read_head(path) for path in sorted(PATCHES.glob("*.patch"))]


def read_head(path: Path) -> Defect:
    """Reads one patch's head."""
    head = HEAD.match(path.read_text())
    if head is None:
        raise SystemExit(f"{path.relative_to(ROOT)} does not begin with a summary, `Breaks:` and `Found by:`")
    return Defect(path.stem, **head.groupdict())


def apply(defect: Defect, *options: str) -> str | None:
    """Has git apply a patch. Returns why it does not apply, if it does not."""
    # One line of context on either side has to match, so that a change nearby does not ask for a new patch.
    command = ["git", "apply", "-C1", "--whitespace=nowarn", *options, defect.patch]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else None


def look_for(defect: Defect, seeds: int, orders: int) -> Result:
    """Builds the simulator with a defect and runs its seeds. The copy is left as it was."""
    result, begun = Result(defect.name, defect.invariant), time.monotonic()
    result.problem = apply(defect, IN_COPY)
    if result.problem is None:
        try:
            simulate = build()
            run(simulate, defect, result, seeds, orders)
            while not result.found_in and result.seeds < seeds * MORE:
                run(simulate, defect, result, seeds, orders)
        except subprocess.CalledProcessError as error:
            result.problem = error.stderr.strip()
        finally:
            apply(defect, IN_COPY, "--reverse")
    result.seconds = round(time.monotonic() - begun, 1)
    return result


def run(simulate: Path, defect: Defect, result: Result, seeds: int, orders: int) -> None:
    """Runs the next seeds and counts those that break the defect's invariant."""
    command = [simulate, "--harsh", "--json", "--from", str(result.seeds + 1), "--seeds", str(seeds), "--orders", str(orders)]
    done = subprocess.run(command, cwd=COPY, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    broken = [
        failure["seed"] for failure in json.loads(done.stdout)["failures"]
        if any(violation["invariant"] == defect.invariant for violation in failure["violations"])
    ]
    result.seeds += seeds
    result.found_in += len(broken)
    result.first = result.first or min(broken, default=None)


def build() -> Path:
    """Builds the copy's simulator and returns it."""
    built = SCRATCH / "built"
    folders = {"CARGO_BUILD_BUILD_DIR": str(ROOT / "target"), "CARGO_TARGET_DIR": str(built)}
    # Selecting the whole workspace gives dependencies the features with which `cargo test --workspace` compiles them.
    command = ["cargo", "build", "--quiet", "--locked", "--workspace", "--bin", "simulate"]
    subprocess.run(command, cwd=SCRATCH, env=os.environ | folders, check=True, capture_output=True, text=True)
    return built / "debug" / "simulate"


def copy_sources() -> None:
    """Brings the copy up to date. A file that is the same keeps its time, so that it is not compiled again."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    for old in [path for path in COPY.rglob("*") if path.is_file() and path.relative_to(COPY).as_posix() not in names]:
        old.unlink()
    for name in names:
        source, copied = ROOT / name, COPY / name
        if not copied.is_file() or copied.read_bytes() != source.read_bytes():
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copied)
    write_workspace()


def write_workspace() -> None:
    """Makes the scratch folder the workspace that the copy belongs to, with the same members and the same lock file.

    Cargo names what it builds by the path inside the workspace. One folder deeper, the copy shares compiled
    dependencies with the sources, and nothing else.
    """
    (COPY / "Cargo.toml").unlink()
    lines = (ROOT / "Cargo.toml").read_text().splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith("members = "):
            lines[number] = re.sub(r'"(?=\w)', f'"{COPY.name}/', line)
        lines[number] = lines[number].replace('{ path = "', f'{{ path = "{COPY.name}/')
    (SCRATCH / "Cargo.toml").write_text("".join(lines))
    shutil.copyfile(ROOT / "Cargo.lock", SCRATCH / "Cargo.lock")


def outcome(result: Result) -> str:
    """Returns what came of one defect, in words."""
    if result.problem is not None:
        return f"not tried: {result.problem}"
    if not result.found_in:
        return f"NOT FOUND in {result.seeds} seeds"
    return f"found in {result.found_in} of {result.seeds} seeds, in {result.first} first"


def table(results: list[Result]) -> str:
    """Returns the results for people."""
    head = ("defect", "found in", "of seeds", "first", "broken invariant")
    rows = [
        (result.defect, "not tried" if result.problem else str(result.found_in), str(result.seeds),
         str(result.first or "—"), result.invariant)
        for result in results
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        [cell.rjust(width) if at in (1, 2, 3) else cell.ljust(width) for at, (cell, width) in enumerate(zip(row, widths, strict=True))]
        for row in (head, ["─" * width for width in widths], *rows)
    ]
    found = sum(1 for result in results if result.found_in)
    return "\n".join(["  ".join(line).rstrip() for line in lines] + [f"{found} of {len(results)} found."])


def say(text: str) -> None:
    """Progress goes to the standard error, so that --json is JSON alone."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
