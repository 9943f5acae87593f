"""`hookmill doctor`: a healthy stack, and then one thing after the other that is broken."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from tests import e2e, provider_api
from tests.cli import Cli, Ran
from tests.local import sources
from tests.local.stack import Stack

SOURCE = "scalev/main-doctor"
# Left behind by the other tests on purpose: refused deliveries, odd events, dead letters of their own.
OWN = ("stack", "tables", "mappings", "functions", "alarms", "secrets", "urls", "clock")


def doctor(cli: Cli, *arguments: str) -> tuple[Ran, list[dict]]:
    """Returns what the doctor finds, and how it ends."""
    ran = cli.run("--json", "doctor", *arguments)
    return ran, ran.lines


def only(*checks: str) -> list[str]:
    return [word for check in checks for word in ("--only", check)]


def problems(lines: list[dict]) -> list[dict]:
    return [line for line in lines if line["state"] == "problem"]


def test_a_healthy_stack_has_no_problem(cli: Cli) -> None:
    ran, lines = doctor(cli, *only(*OWN))
    assert ran.code == 0, lines
    assert {line["check"] for line in lines} == set(OWN)
    states = {line["state"] for line in lines}
    assert states <= {"ok", "warning", "notice"}, lines
    # The stack of the tests has no topic for its alarms, which is worth a warning and nothing more.
    (warned,) = [line for line in lines if line["state"] == "warning"]
    assert warned["check"] == "alarms" and "AlarmTopicArn" in warned["next"]
    assert "1 warning" in ran.err


def test_it_is_reported_in_words_too(cli: Cli) -> None:
    ran = cli.run("doctor", *only("tables", "urls"))
    assert ran.code == 0 and "Everything is as it should be." in ran.err
    assert [line.split()[:2] for line in ran.out.splitlines()] == [["ok", "tables"], ["ok", "tables"], ["ok", "urls"]]


@contextlib.contextmanager
def disabled(stack: Stack, function: str) -> Iterator[None]:
    client = stack.client("lambda")
    listed = client.list_event_source_mappings(FunctionName=stack.outputs[function])
    (mapping,) = listed["EventSourceMappings"]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def test_a_mapping_that_is_switched_off_is_reported(cli: Cli, stack: Stack) -> None:
    for function, about in (("RelayFunction", "relay"), ("OrdersFunction", "orders")):
        with disabled(stack, function):
            ran, lines = doctor(cli, *only("mappings"))
        (found,) = problems(lines)
        assert (ran.code, found["about"]) == (1, about)
        assert "not enabled" in found["message"] and "--enabled" in found["next"]
    assert doctor(cli, *only("mappings"))[0].code == 0


def test_an_alarm_that_is_gone_or_rings_is_reported(cli: Cli, stack: Stack) -> None:
    client, name = stack.client("cloudwatch"), stack.physical("RelayIsLate")
    (alarm,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    kept = ("AlarmName", "AlarmDescription", "Namespace", "MetricName", "Dimensions", "Statistic", "Period",
            "EvaluationPeriods", "ComparisonOperator", "Threshold", "TreatMissingData")  # fmt: skip
    try:
        client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by a test")
        ran, lines = doctor(cli, *only("alarms"))
        (found,) = problems(lines)
        assert (ran.code, found["about"]) == (1, "RelayIsLate")
        assert "by a test" in found["message"] and found["next"] == alarm["AlarmDescription"].replace("hookmill ", f"{cli.name} ")
        client.delete_alarms(AlarmNames=[name])
        ran, lines = doctor(cli, *only("alarms"))
        (found,) = problems(lines)
        assert (ran.code, found["about"]) == (1, "RelayIsLate")
        assert name in found["message"] and found["next"]
    finally:
        client.put_metric_alarm(**{key: alarm[key] for key in kept if key in alarm})
        client.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="the test is over")


def test_a_log_group_that_is_gone_is_reported(cli: Cli, stack: Stack) -> None:
    client, group = stack.client("logs"), stack.physical("ReadLogs")
    client.delete_log_group(logGroupName=group)
    try:
        ran, lines = doctor(cli, *only("functions"))
        (found,) = problems(lines)
        assert (ran.code, found["about"]) == (1, "read")
        assert group in found["message"] and found["next"].endswith(group)
    finally:
        client.create_log_group(logGroupName=group)


@pytest.fixture(scope="module")
def without_an_output(stack: Stack) -> Iterator[str]:
    """A second stack, of outputs alone: one of the real one's is missing, and one leads nowhere."""
    outputs = {name: value for name, value in stack.outputs.items() if name != "ReadFunction"}
    outputs["ScalapayFunction"] = "nobodys-function"
    with e2e.stack_of_outputs(stack, "half", outputs) as name:
        yield name


def test_a_missing_output_is_reported_and_the_rest_is_still_checked(cli: Cli, without_an_output: str) -> None:
    ran, lines = doctor(cli, "--stack", without_an_output, *only("stack", "functions", "tables"))
    assert ran.code == 1
    missing, gone = problems(lines)
    assert missing["check"] == "stack" and "ReadFunction" in missing["message"] and missing["next"]
    assert gone["about"] == "scalapay" and "nobodys-function is gone" in gone["message"]
    (unknown,) = [line for line in lines if line["state"] == "unknown"]
    assert unknown["about"] == "read"
    assert [line["state"] for line in lines if line["check"] == "tables"] == ["ok", "ok"]


def test_a_dead_letter_is_reported(cli: Cli, stack: Stack) -> None:
    client, url = stack.client("sqs"), stack.outputs["RelayDeadLetterQueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="a test's")
    try:
        ran, lines = doctor(cli, *only("queues"))
        (found,) = problems(lines)
        assert (ran.code, found["about"]) == (1, "relay dead letters")
        assert found["next"] == f"{cli.name} dlq list --queue relay"
    finally:
        (message,) = client.receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"]
        client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    ran, lines = doctor(cli, *only("queues"))
    assert problems(lines) == []


def send(cli: Cli, *cases: str, **more: str) -> None:
    arguments = ["send", *(f"events/scalev/{case}.json" for case in cases), "--source", SOURCE]
    ran = cli.run(*arguments, *(("--key-env", "KEY") if more else ()), **more)
    assert ran.code == (1 if more else 0), ran


def test_a_wrong_key_is_named(cli: Cli, pipe: e2e.Pipe) -> None:
    send(cli, "order.created.2026")
    _, lines = doctor(cli, *only("quarantine"))
    assert not [line for line in lines if line.get("about") == SOURCE]
    send(cli, "order.created.2025", KEY="another key than the secret's")
    _, lines = doctor(cli, *only("quarantine"))
    (found,) = [line for line in lines if line.get("about") == SOURCE]
    assert found["state"] == "warning"
    wrong = ("order.deleted.2025", "order.deleted.2026", "order.status_changed.2025")
    send(cli, *wrong, KEY="another key than the secret's")
    ran, lines = doctor(cli, *only("quarantine"))
    (found,) = [line for line in lines if line.get("about") == SOURCE]
    assert ran.code == 1 and found["state"] == "problem"
    first = min(row["received_at"] for row in pipe.refused("scalev", "main-doctor"))
    assert f"deliveries to {SOURCE} are refused since {first}" in found["message"]
    assert f"{cli.name} sources rotate {SOURCE}, then {cli.name} quarantine admit" in found["next"]
    # The key was put right: what comes is kept again.
    send(cli, "order.status_changed.2026")
    _, lines = doctor(cli, *only("quarantine"))
    (found,) = [line for line in lines if line.get("about") == SOURCE]
    assert found["state"] == "notice"


def test_an_unusable_secret_is_reported_without_its_values(cli: Cli, pipe: e2e.Pipe) -> None:
    stack = pipe.stack
    client, secret = stack.client("secretsmanager"), stack.outputs["SelldoneSecret"]
    good = sources.read_secret(client, secret)
    bad = {"scheme": "url_token", "url_tokens": ["hookmill-sample-hunter2"], "merchants": "any"}
    try:
        for value, message in (
            ({"sources": good["sources"] | {"bad": bad}}, "the source bad cannot be used"),
            ({"hunter2": 1}, "the secret of selldone cannot be used"),
        ):
            client.put_secret_value(SecretId=secret, SecretString=json.dumps(value))
            ran, lines = doctor(cli, *only("secrets"))
            (found,) = problems(lines)
            assert (ran.code, found["about"], message in found["message"]) == (1, "selldone", True), found
            assert found["next"] and "hunter2" not in ran.out + ran.err
    finally:
        client.put_secret_value(SecretId=secret, SecretString=json.dumps(good))


def test_a_signed_test_event_gets_to_its_row_and_only_once(cli: Cli, pipe: e2e.Pipe) -> None:
    row = "scalev/main-doctor/~/business.test_event/hookmill-self-test"
    for kept in ("kept", "known"):
        ran, (found,) = doctor(cli, *only("self-test"), "--source", SOURCE)
        assert ran.code == 0 and found["state"] == "ok" and f"was {kept}" in found["message"], found
        assert row in pipe.rows("scalev", "main-doctor")
    event = pipe.read(row)
    assert (event["type"], event["test"]) == ("ping", True)
    # It is not among the checks unless it is asked for.
    ran, lines = doctor(cli, "--skip", "events", "--skip", "flow", "--skip", "quarantine")
    assert "self-test" not in {line["check"] for line in lines}


def test_what_a_provider_has_registered_is_compared(cli: Cli, pipe: e2e.Pipe) -> None:
    with provider_api.own_accounts(pipe.stack):
        ran, lines = doctor(cli, *only("providers"))
        assert ran.code == 0 and [line["state"] for line in lines] == ["notice"]
        with provider_api.serving() as api:
            provider_api.put_account(pipe.stack, "shopline/tw-doctor", api.shop)
            ran, lines = doctor(cli, *only("providers"))
        (found,) = problems(lines)
        assert (ran.code, found["about"]) == (1, "shopline/tw-doctor")
        assert "No webhook goes to" in found["message"] and "subscriptions create" in found["next"]
        token = pipe.source("shopline", "tw-doctor")["url_tokens"][0]
        assert token not in ran.out + ran.err
        # Nobody answers there any more.
        ran, lines = doctor(cli, *only("providers"))
        assert ran.code == 5 and [line["state"] for line in lines] == ["unknown"]
