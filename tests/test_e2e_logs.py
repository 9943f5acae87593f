"""The functions' logs: one line a delivery, and nothing that a log must not hold."""

from __future__ import annotations

import json

import pytest

from tests import e2e
from tests.e2e_logs import NUMBERS, check_counts, check_credentials, check_lines, check_personal_data
from tests.e2e_logs import check_secrets_of_bodies, own_lines, read_logs
from tests.local import run, signing

REPEATED = 3
FORGED = 25


@pytest.fixture(scope="module")
def logged(pipe: e2e.Pipe) -> dict[str, list[str]]:
    """Every line so far, by log; every sample's, a repeat's, a forgery's and the watch's among them."""
    jobs = [
        (file.parent.name, pipe.signed(file.parent.name, json.loads(file.read_text(encoding="utf-8")), "logs"))
        for file in run.cases()
    ]
    answers = pipe.send_in_order(jobs + jobs[::10] * REPEATED)
    assert {answer.status for answer in answers} == {200}
    forged = pipe.signed("scalev", e2e.sample("scalev", "order.created.2026"), "logs")
    forged["headers"][signing.SCALEV_SIGNATURE] = "A" * 43 + "="
    answers = pipe.send_in_order([("scalev", forged)] * FORGED)
    assert {answer.status for answer in answers} == {401}
    kept = [event_id for provider, name in logs_sources(pipe) for event_id in pipe.rows(provider, name)]
    pipe.wait_for_messages(kept)
    pipe.wait_for_views()
    pipe.stack.invoke("WatchFunction", {"hourly": True})
    wait_for_lines(pipe, len(jobs))
    return read_logs(pipe)


def test_a_delivery_is_one_line(pipe: e2e.Pipe, logged: dict[str, list[str]]) -> None:
    lines = [line for line in own_lines(logged) if "Deliveries" in line and str(line.get("source")).endswith("-logs")]
    kept = [line for line in lines if line["outcome"] == "kept"]
    assert len(kept) == len(run.cases())
    assert {line["id"] for line in kept} == {
        event_id for provider, name in logs_sources(pipe) for event_id in pipe.rows(provider, name)
    }
    assert sum(line["outcome"] == "repeat" for line in lines) == len(run.cases()[::10]) * REPEATED


def test_every_line_of_ours_is_one_object(logged: dict[str, list[str]]) -> None:
    check_lines(logged)


def test_the_watch_logs_its_numbers(logged: dict[str, list[str]]) -> None:
    runs = [json.loads(line) for line in logged["watch"] if '"watch ran"' in line]
    whole = [run for run in runs if NUMBERS <= run.keys()]
    assert whole and all(run["stack"] == "hookmill" and "Silence" in run for run in runs)


def test_every_delivery_is_counted_and_refusals_in_few_lines(pipe: e2e.Pipe, logged: dict[str, list[str]]) -> None:
    check_counts(pipe, logged)


def test_no_log_holds_a_credential(pipe: e2e.Pipe, logged: dict[str, list[str]]) -> None:
    # As many as this file sends; those of the other files are looked for when their stacks end.
    assert len(pipe.credentials) > 50
    check_credentials(pipe, logged)


def test_no_log_holds_a_secret_of_a_body(logged: dict[str, list[str]]) -> None:
    check_secrets_of_bodies(logged)


def test_no_log_holds_personal_data(logged: dict[str, list[str]]) -> None:
    check_personal_data(logged)


def wait_for_lines(pipe: e2e.Pipe, relayed: int) -> None:
    """Waits for the lines, which may come a moment after the answers."""

    def all_there() -> bool:
        return sum('"event relayed"' in line and "-logs/" in line for line in read_logs(pipe)["relay"]) >= relayed

    e2e.wait_until(all_there, "the relay's lines are not all there", seconds=20)


def logs_sources(pipe: e2e.Pipe) -> list[tuple[str, str]]:
    return [
        (provider, name)
        for provider, secret in pipe.stack.sources.items()
        for name in secret["sources"]
        if name.endswith("-logs")
    ]
