"""Runs the soak; see the package."""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.local import ministack, package, stack
from tests.local.ministack import ROOT, StackError
from tests.local.stack import Stack, default_binaries
from tests.soak import observer, report, verifier
from tests.soak.clients import Clients, Delivery
from tests.soak.killer import Killer
from tests.soak.plan import Plan
from tests.soak.proxy import Outages, Proxy
from tests.soak.verifier import Account

PROGRESS_SECONDS = 5
# After the fire: for what is to be sent again, and for the stream and the queues.
RETRY_SECONDS_MAX = 30
SETTLE_SECONDS_MAX = 420
REDRIVES_MAX = 3

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Number of deliveries, duration and severity."""

    seconds: float = 300
    deliveries: int = 10_000
    clients: int = 8
    seed: int = 1
    kills_per_minute: float = 30
    fault_rate: float = 0.08


@dataclass(frozen=True)
class Run:
    """A run that is over, and its stack, which still runs."""

    deployed: Stack
    deliveries: list[Delivery]
    consumer: observer.Consumer
    account: Account
    facts: dict


def soak(
    port: int,
    proxy_port: int,
    state: Path,
    binaries: Path,
    options: Options,
    say: Say,
    afterwards: Callable[[Run], None] = lambda run: None,
) -> tuple[Account, dict]:
    """Brings a stack of its own up behind a proxy, puts it under load and fire, and makes the account.

    `afterwards` is called while the stack still runs.
    """
    began = time.monotonic()
    ministack.refuse_taken_port(port)
    proxy = Proxy(proxy_port, port, state)
    try:
        proxy.start()
        deployed = stack.up(port, state, binaries, say=say, functions_port=proxy_port)
        observer.hasten(deployed)
        proxy.wait_until_ready()
        proxy.warm()
        done = under_fire(deployed, proxy, options, say, began)
        afterwards(done)
        return done.account, done.facts
    finally:
        proxy.stop()
        stack.down(state)
        # The logs are worth keeping, the binaries are not.
        shutil.rmtree(state / "package", ignore_errors=True)


def under_fire(deployed: Stack, proxy: Proxy, options: Options, say: Say, began: float) -> Run:
    """Sends, injects and kills; then lets everything settle and reads the results."""
    seed = options.seed
    clients = Clients(deployed, Plan(deployed.sources, seed), options.clients, options.deliveries, seed)
    killer = Killer(ministack.owned_pid(deployed.state), options.kills_per_minute, seed)
    outages = Outages(proxy, seed)
    consumer = observer.Consumer(deployed)
    reader = observer.Reader(deployed, consumer, seed)
    say(f"Sending up to {options.deliveries} deliveries in {options.seconds:g} s, seed {options.seed} …")
    proxy.inject(options.fault_rate)
    started = time.monotonic()
    consumer.start()
    reader.start()
    killer.start()
    outages.start()
    clients.start()
    try:
        watch(clients, killer, consumer, started, options.seconds, say)
    finally:
        # The fire is over, whatever happened; then only what was refused a moment ago is sent again.
        killer.stop()
        outages.stop()
        reader.stop()
        proxy.calm()
        clients.finish(RETRY_SECONDS_MAX)
    sending = time.monotonic() - started
    say("Waiting for the stream and the queues …")
    redriven, settled = settle(deployed, consumer, say)
    settling = time.monotonic() - started - sending
    consumer.stop()
    say("Reading the results …")
    found = observer.observe(deployed, consumer, reader.read)
    account = verifier.account(clients.deliveries, found)
    failures = clients.failures + sorted(consumer.failures)
    if not settled:
        failures.append(f"it did not settle: see {deployed.state / 'ministack.log'}")
    reported = facts(clients, killer, outages, proxy) | {
        "run": {
            "seed": options.seed,
            "clients": options.clients,
            "fault rate": options.fault_rate,
            "sending, s": round(sending, 1),
            "deliveries a minute": round(account.sent / sending * 60),
            "settling, s": round(settling, 1),
            "in all, s": round(time.monotonic() - began, 1),
            "calls through the proxy": proxy.calls(),
            "messages put back from the orders' dead letter queue": redriven,
            "events read one by one": len(found.read),
            "reads that failed under fire": reader.failed,
        }
        | latencies(clients)
        | batches(deployed),
        "failures": failures,
    }
    return Run(deployed, clients.deliveries, consumer, account, reported)


def watch(
    clients: Clients, killer: Killer, consumer: observer.Consumer, started: float, seconds: float, say: Say
) -> None:
    """Says how it goes until everything is sent or the time is over."""
    shown = started
    while not clients.done and time.monotonic() - started < seconds:
        time.sleep(0.2)
        if time.monotonic() - shown >= PROGRESS_SECONDS:
            shown = time.monotonic()
            answers = Counter(delivery.answer for delivery in clients.deliveries[:])
            answered = ", ".join(f"{answer or 'none'}: {count}" for answer, count in answers.most_common())
            say(
                f"  {shown - started:4.0f} s  {sum(answers.values())} sent ({answered}), "
                f"{len(consumer.messages)} came, {sum(killer.counts.values())} killed"
            )


def settle(deployed: Stack, consumer: observer.Consumer, say: Say) -> tuple[int, bool]:
    """Waits until nothing moves any more; what the orders' function gave up on in the fire is put back."""
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    redriven = 0
    for _ in range(REDRIVES_MAX):
        if not observer.wait_until_settled(deployed, consumer, deadline, say):
            return redriven, False
        moved = observer.redrive(deployed)
        redriven += moved
        if not moved:
            return redriven, True
    return redriven, observer.wait_until_settled(deployed, consumer, deadline, say)


def facts(clients: Clients, killer: Killer, outages: Outages, proxy: Proxy) -> dict:
    """Returns what was done to the deliveries and the functions."""
    answers = Counter(str(delivery.answer or "none") for delivery in clients.deliveries)
    forgeries = Counter(delivery.sending.forged for delivery in clients.deliveries if delivery.sending.forged)
    away = {f"{name} away for some seconds": count for name, count in outages.counts.items() if count}
    return {
        "answers": dict(answers),
        "forgeries": dict(forgeries),
        "faults": proxy.faults(),
        "outages": away,
        "kills": dict(killer.counts),
    }


def latencies(clients: Clients) -> dict[str, float]:
    times = sorted(delivery.milliseconds for delivery in clients.deliveries)
    if not times:
        return {}
    return {
        "median answer, ms": round(times[len(times) // 2]),
        "99 of 100 answers within, ms": round(times[len(times) * 99 // 100]),
        "slowest answer, ms": round(times[-1]),
    }


def batches(deployed: Stack) -> dict[str, int]:
    """Counts how often the local AWS logged that it handed a batch over again."""
    log = (deployed.state / "ministack.log").read_text(errors="replace")
    return {
        "stream batches that failed and came again": log.count("failed processing DynamoDB stream batch"),
        "queue batches that failed and came again": log.count("failed processing SQS batch"),
        "function processes started": log.count("provided-runtime environment spawned"),
    }


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description="The deployed local stack under load and fire.")
    parser.add_argument("--seconds", type=float, default=Options.seconds, help="of sending, at most")
    parser.add_argument("--deliveries", type=int, default=Options.deliveries, help="at most")
    parser.add_argument("--clients", type=int, default=Options.clients)
    parser.add_argument("--seed", type=int, default=Options.seed)
    parser.add_argument("--kills-per-minute", type=float, default=Options.kills_per_minute)
    parser.add_argument("--fault-rate", type=float, default=Options.fault_rate, help="share of bad calls")
    parser.add_argument("--port", type=int, default=4866, help="of the local AWS; the next is the proxy's")
    parser.add_argument("--state", type=Path, help="default: .local/soak-<port>")
    parser.add_argument("--binaries", type=Path, default=default_binaries())
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    given = parser.parse_args(arguments)
    wanted = {name: getattr(given, name) for name in vars(Options()) if hasattr(given, name)}
    state = (given.state or ROOT / ".local" / f"soak-{given.port}").resolve()
    say = functools.partial(print, file=sys.stderr, flush=True)
    # Whoever ends it ends what it started, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        account, reported = soak(given.port, given.port + 1, state, given.binaries, Options(**wanted), say)
    except (StackError, package.MissingBinary) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    if given.json:
        print(json.dumps(report.as_data(account, reported), indent=2))
    else:
        print("\n" + report.as_text(account, reported))
    return 0 if report.is_well(account, reported) else 1


if __name__ == "__main__":
    sys.exit(main())
