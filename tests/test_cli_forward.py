"""`hookmill forward`: a stack's events to a URL."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import e2e, e2e_checks, provider_api
from tests.cli import Cli
from tests.local.stack import STACK_NAME
from tests.test_cli_reconcile import delivery, name, order

SOURCE = "scalapay/it-forward"
SAMPLES = ("created", "authorized", "charged", "refunded", "expired")


class Target:
    """A server that takes what is posted, or answers what a test has it answer."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        self.tried = 0
        self.answer: Callable[[bytes], int] = lambda body: 204
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802
                body = self.rfile.read(int(self.headers["content-length"]))
                target.tried += 1
                status = target.answer(body)
                if status < 300:
                    target.taken.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    @property
    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, _, body in self.taken]


@pytest.fixture
def target() -> Iterator[Target]:
    target = Target()
    yield target
    target.server.shutdown()
    target.server.server_close()


@pytest.fixture(scope="module")
def sent(cli: Cli) -> list[str]:
    """Events of a source of these tests, in the order in which they were received."""
    for sample in SAMPLES:
        cli.json("send", f"events/scalapay/{sample}.json", "--source", SOURCE)
    return listed(cli)


def listed(cli: Cli) -> list[str]:
    lines = cli.json("events", "list", "--source", SOURCE, "--oldest-first", "--limit", "1000")
    return [line["id"] for line in lines]


def position(tmp_path: Path) -> tuple[str, str]:
    return "--position", str(tmp_path / "position.json")


def test_events_come_once_in_order_as_cloudevents(
    cli: Cli, pipe: e2e.Pipe, sent: list[str], target: Target, tmp_path: Path
) -> None:
    forward = ("forward", "--to", target.url, "--source", SOURCE, "--once", *position(tmp_path))
    printed = cli.json(*forward, "--from", "1970-01-01")
    assert target.ids == sent == [line["id"] for line in printed]
    assert all(line["outcome"] == "forwarded" and line["answer"] == 204 and line["tries"] == 1 for line in printed)
    path, headers, body = target.taken[0]
    assert path == "/hook" and headers["content-type"].startswith("application/cloudevents+json")
    assert json.loads(body) == pipe.read(sent[0])
    # The next run goes on from where this one ended, and there is nothing new.
    assert cli.json(*forward) == []
    (fresh,) = cli.json("send", "events/scalapay/charged.after_created.json", "--source", SOURCE)
    assert [line["id"] for line in cli.json(*forward)] == [fresh["id"]]
    assert target.ids == listed(cli)


def test_it_begins_after_an_event_and_takes_what_is_selected(
    cli: Cli, sent: list[str], target: Target, tmp_path: Path
) -> None:
    forward = ("forward", "--to", target.url, "--source", SOURCE, "--once", *position(tmp_path))
    cli.json(*forward, "--after", sent[1])
    everything = listed(cli)
    assert target.ids == everything[2:]
    target.taken.clear()
    printed = cli.json(*forward, "--since", "1h", "--type", "payment.captured")
    assert {line["type"] for line in printed} == {"payment.captured"} and target.ids == [line["id"] for line in printed]
    # What was not selected is passed, not put off.
    assert cli.json(*forward) == []


@contextlib.contextmanager
def following(cli: Cli, *arguments: str):
    process = cli.start("--json", "forward", *arguments)
    assert process.stderr and process.stdout
    assert "Forwarding" in process.stderr.readline()
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_what_comes_is_forwarded_until_ctrl_c(cli: Cli, sent: list[str], target: Target, tmp_path: Path) -> None:
    arguments = ("--to", target.url, "--source", SOURCE, "--every", "1s", *position(tmp_path))
    with following(cli, *arguments) as process:
        assert "read unit" in process.stderr.readline()
        (fresh,) = cli.json("send", "events/scalapay/charged.json", "--source", SOURCE, "--fresh")
        assert json.loads(process.stdout.readline())["id"] == fresh["id"]
        process.send_signal(signal.SIGINT)
        _, notes = process.communicate(timeout=15)
    assert process.returncode == 0 and "To go on" in notes
    # Without a word of where to begin it begins now.
    assert target.ids == [fresh["id"]]


def test_a_target_that_fails_is_tried_until_it_takes(
    cli: Cli, sent: list[str], target: Target, tmp_path: Path
) -> None:
    failures = 2

    def answer(_: bytes) -> int:
        return 500 if target.tried <= failures else 200

    target.answer = answer
    ran = cli.run(
        "--json", "forward", "--to", target.url, "--source", SOURCE, "--once", "--from", "1970-01-01",
        *position(tmp_path),
    )  # fmt: skip
    assert ran.code == 0 and target.ids == listed(cli)
    assert [line["tries"] for line in ran.lines][:2] == [3, 1]
    # Told once, however often it was tried.
    assert ran.err.count("answers 500") == 1 and ran.err.count("takes events again") == 1


def test_a_run_that_is_killed_loses_nothing(cli: Cli, sent: list[str], target: Target, tmp_path: Path) -> None:
    """Killed in the middle, at an event that the target has and the position does not: that one comes twice at most."""
    arguments = ("--to", target.url, "--source", SOURCE, *position(tmp_path))
    reached, killed = threading.Event(), threading.Event()

    def slow(_: bytes) -> int:
        if len(target.taken) == 2:
            reached.set()
            assert killed.wait(20)
        return 200

    target.answer = slow
    with following(cli, *arguments, "--from", "1970-01-01") as process:
        assert reached.wait(20)
        process.kill()
        process.communicate()
    killed.set()
    e2e.wait_until(lambda: len(target.taken) == 3, "the target does not have the event")
    target.answer = lambda body: 200
    cli.json("forward", *arguments, "--once")
    everything = listed(cli)
    assert set(target.ids) == set(everything)
    assert len(target.ids) <= len(everything) + 1
    first_times = list(dict.fromkeys(target.ids))
    assert first_times == everything


def test_orders_go_side_by_side_and_each_in_its_order(
    cli: Cli, sent: list[str], target: Target, tmp_path: Path
) -> None:
    cli.json(
        "forward", "--to", target.url, "--source", SOURCE, "--once", "--from", "1970-01-01", "--concurrency", "8",
        *position(tmp_path),
    )  # fmt: skip
    everything = listed(cli)
    assert sorted(target.ids) == sorted(everything)
    subject = lambda event_id: event_id.split("/")[2]  # noqa: E731
    for one in set(map(subject, everything)):
        assert [i for i in target.ids if subject(i) == one] == [i for i in everything if subject(i) == one]


def test_redacted_secrets_stay_redacted_and_are_reported(cli: Cli, target: Target, tmp_path: Path) -> None:
    cli.json("send", "events/scalev/order.created.2026.json", "--source", "scalev/main-forward")
    (line,) = cli.json(
        "forward", "--to", target.url, "--source", "scalev/main-forward", "--once", "--since", "1h",
        *position(tmp_path),
    )  # fmt: skip
    assert line["cut"]
    (_, _, body), = target.taken
    sent = json.loads(Path("events/scalev/order.created.2026.json").read_text(encoding="utf-8"))["body"]
    _, secrets = e2e_checks.without_secrets("scalev", sent.encode())
    assert secrets and not [secret for secret in secrets if secret.strip('"').encode() in body]


def test_what_was_erased_or_fetched_is_skipped_and_reported(
    cli: Cli, pipe: e2e.Pipe, target: Target, tmp_path: Path
) -> None:
    source = "shopline/tw-forward"
    for number in range(2):
        assert pipe.send("shopline", delivery(pipe, number, "pending", 10, "forward")).status == 200
    cli.json("forget", "order", f"{source}/{name(1)}", "--yes", "--run-file", str(tmp_path / "run.jsonl"))
    with provider_api.serving() as api, provider_api.own_accounts(pipe.stack):
        provider_api.put_account(pipe.stack, source, api.shop)
        api.orders = [order(2, "pending", 10)]
        cli.json("reconcile", "--source", source, "--order", name(2), "--yes")
    forward = ("forward", "--source", source, "--once", "--since", "1h", "--position")
    ran = cli.run("--json", *forward, str(tmp_path / "events.json"), "--to", target.url)
    assert (ran.code, [line["outcome"] for line in ran.lines]) == (1, ["forwarded", "gone", "forwarded"])
    assert target.ids == [line["id"] for line in ran.lines if line["outcome"] == "forwarded"]
    assert "no longer kept" in ran.lines[1]["reason"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "http://example.com/hook"), "--allow-http"),
        (("--to", "example.com"), "not a URL to forward to"),
        ((), "--to"),
    ],
)
def test_impossible_targets_are_reported(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    ran = cli.run("forward", *arguments)
    assert (ran.code, message in ran.err) == (2, True), ran


def test_a_stack_is_not_forwarded_to_itself(cli: Cli, pipe: e2e.Pipe, tmp_path: Path) -> None:
    stack = pipe.stack
    arguments = ("--to", stack.local_url("scalapay") + "it", "--source", SOURCE, *position(tmp_path))
    ran = cli.run("forward", *arguments)
    assert (ran.code, "the very stack" in ran.err) == (2, True), ran
    assert not (tmp_path / "position.json").exists()


def test_positions_of_others_are_not_gone_on_from(cli: Cli, sent: list[str], target: Target, tmp_path: Path) -> None:
    file = tmp_path / "position.json"
    forward = ("forward", "--source", SOURCE, "--once", "--position", str(file))
    cli.json(*forward, "--to", target.url, "--since", "1h")
    ran = cli.run(*forward, "--to", target.url + "/other")
    assert (ran.code, target.url in ran.err) == (2, True), ran
    file.write_text("{")
    ran = cli.run(*forward, "--to", target.url)
    assert (ran.code, "--after" in ran.err) == (2, True), ran


def test_the_default_position_is_in_the_users_state_folder(cli: Cli, sent: list[str], target: Target) -> None:
    folder, pattern = cli.home / ".local" / "state" / "hookmill" / "forward", f"{STACK_NAME}-*.json"
    before = set(folder.glob(pattern))
    cli.json("forward", "--to", target.url, "--source", SOURCE, "--once")
    assert len(set(folder.glob(pattern)) - before) == 1
