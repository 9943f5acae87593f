"""The watch on the deployed stack: each duty seen at work, and each alarm driven over its threshold and back.

The local AWS takes no metrics out of logs, so alarms get theirs here by hand; it ignores their dimensions and never
evaluates missing data, which `test_template.py` therefore checks on the template.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
import zstandard

from tests import e2e, provider_api, test_template

NAME = "main-watch"
SOURCE = f"scalev/{NAME}"
MEMORY = "watch"


def instant(hours_ago: float) -> str:
    """Returns a time as rows have it."""
    then = datetime.now(timezone.utc) - timedelta(hours=hours_ago)
    return then.strftime("%Y-%m-%dT%H:%M:%S.") + f"{then.microsecond // 1000:03}Z"


def run(pipe: e2e.Pipe, *, hourly: bool = True) -> dict:
    return pipe.stack.invoke("WatchFunction", {"hourly": hourly})


def findings(report: dict, kind: str, source: str = NAME) -> list[dict]:
    return [one for one in report["findings"] if one["kind"] == kind and one["source"] == source]


def forget(pipe: e2e.Pipe, *names: str) -> None:
    """Takes something out of the watch's memory."""
    for name in names:
        key = {"pk": {"S": MEMORY}, "sk": {"S": name}}
        pipe.stack.client("dynamodb").delete_item(TableName=pipe.stack.outputs["EventsTable"], Key=key)


@pytest.fixture(scope="module", autouse=True)
def schedule(pipe: e2e.Pipe) -> Iterator[dict]:
    """The watch's rule as it was deployed; meanwhile it calls nothing, so that a run finds what its test has left."""
    events, name = pipe.stack.client("events"), pipe.stack.physical("WatchFunctionSchedule")
    deployed = events.describe_rule(Name=name)
    events.disable_rule(Name=name)
    try:
        yield deployed
    finally:
        events.enable_rule(Name=name)


@pytest.fixture(scope="module")
def kept(pipe: e2e.Pipe) -> dict:
    """An event that was kept and relayed, as an item: others are made after its model."""
    event = pipe.signed("scalev", e2e.sample("scalev", "order.created.2026"), "watch")
    assert pipe.send("scalev", event).status == 200
    (event_id,) = [row for row in pipe.rows("scalev", NAME) if "order.created" in row]
    pipe.wait_for_messages([event_id])
    pk, _, rest = event_id.rpartition("/order.created/")
    key = {"pk": {"S": pk}, "sk": {"S": f"order.created/{rest}"}}
    answer = pipe.stack.client("dynamodb").get_item(TableName=pipe.stack.outputs["EventsTable"], Key=key)
    return answer["Item"]


def put(pipe: e2e.Pipe, kept: dict, number: int, hours_ago: float, *, streamed: bool = True, word: str = "order.created") -> str:
    """Keeps another event of the source, received so long ago; not streamed, it is what the stream forgot."""
    client, table = pipe.stack.client("dynamodb"), pipe.stack.outputs["EventsTable"]
    item = copy.deepcopy(kept)
    item |= {"sk": {"S": f"{word}/made-{number}"}, "received_at": {"S": instant(hours_ago)}}
    item["kind"] = {"S": "event" if streamed else "nothing"}
    client.put_item(TableName=table, Item=item)
    if not streamed:
        # A change of a row is in the stream too, but the mapping's filter lets insertions through only.
        client.update_item(
            TableName=table,
            Key={"pk": item["pk"], "sk": item["sk"]},
            UpdateExpression="SET kind = :event",
            ExpressionAttributeValues={":event": {"S": "event"}},
        )
    return f"{item['pk']['S']}/{item['sk']['S']}"


def notes(pipe: e2e.Pipe) -> int:
    scan = {
        "TableName": pipe.stack.outputs["EventsTable"],
        "FilterExpression": "kind = :kind",
        "ExpressionAttributeValues": {":kind": {"S": "relayed"}},
    }
    pages = pipe.stack.client("dynamodb").get_paginator("scan").paginate(**scan)
    return sum(page["Count"] for page in pages)


def test_what_the_stream_forgot_is_sent_and_nothing_else(pipe: e2e.Pipe, kept: dict) -> None:
    run(pipe)
    before = notes(pipe)
    assert before > 0
    relayed = [put(pipe, kept, number, 28 + number / 5) for number in (1, 2)]
    pipe.wait_for_messages(relayed)
    e2e.wait_until(lambda: notes(pipe) > before, "the relay left no note")
    lost = [put(pipe, kept, number, hours, streamed=False) for number, hours in [(11, 40), (12, 28.3), (13, 28)]]
    young = put(pipe, kept, 14, 20, streamed=False)
    forget(pipe, "swept")
    swept = run(pipe)["swept"]
    assert swept["sent"] == len(lost) and not swept["unfinished"]
    messages = pipe.wait_for_messages(lost)
    # By the relay's own messages, under their own names.
    assert all("replay" not in message.event and message.event["data"] for message in messages.values())
    received = pipe.received()
    assert young not in received
    assert all(len(received[event_id]) == 1 for event_id in [*relayed, *lost])
    order = [message.event["id"] for message in pipe.messages if message.event["id"] in lost]
    assert order == lost
    # Looked at again from the beginning, nothing is missing any more.
    forget(pipe, "swept")
    assert run(pipe)["swept"]["sent"] == 0


def test_silence_is_reported_and_ends(pipe: e2e.Pipe, kept: dict) -> None:
    other = copy.deepcopy(kept)
    other["pk"] = {"S": "scalev/apps-watch/1"}
    # The bucket's number is of the subject, but any of the eight is read.
    other["bucket"] = {"S": "scalev/apps-watch/0"}
    for number in range(9 * 24):
        put(pipe, other, number, 12 + number)
    report = run(pipe)
    silent = findings(report, "silence", "apps-watch")
    # It is learnt after it is judged: the next run knows.
    report = run(pipe, hourly=False)
    assert not report["hourly"]
    silent = findings(report, "silence", "apps-watch")
    assert [one["word"] for one in silent] == ["silent"]
    assert "hookmill subscriptions check --source scalev/apps-watch" in silent[0]["next"]
    put(pipe, other, 1_000, 0)
    assert findings(run(pipe, hourly=False), "silence", "apps-watch") == []


def test_a_changed_shape_is_reported(pipe: e2e.Pipe, kept: dict) -> None:
    forget(pipe, f"source/{SOURCE}", f"shape/{SOURCE}/order.changed")
    body = json.loads(e2e.decompress(e2e.plain(kept)["body"]))
    for number in range(60):
        put(pipe, kept, number, 30 + 1.5 * number, word="order.changed")
    changed = copy.deepcopy(kept)
    body["data"]["loyalty"] = {"points": 5}
    changed["body"] = {"B": compress(json.dumps(body).encode())}
    put(pipe, changed, 100, 2, word="order.changed")
    found = findings(run(pipe), "drift")
    assert [one["message"] for one in found] == [
        f"{SOURCE}: order.changed has a field that no body had before: data.loyalty"
    ]
    assert findings(run(pipe), "drift") == []


def compress(body: bytes) -> bytes:
    return zstandard.compress(body)


def test_subscriptions_are_checked(pipe: e2e.Pipe) -> None:
    token = pipe.source("shopline", "tw-watch")["url_tokens"][0]
    address, topics = f"{pipe.stack.url('shopline')}tw-watch/{token}", ["order/create", "order/update"]
    ours = provider_api.webhook("a", {"address": address, "topics": topics})
    with provider_api.serving() as api, provider_api.own_accounts(pipe.stack):
        provider_api.put_account(pipe.stack, "shopline/tw-watch", api.shop)

        def kinds(*webhooks: dict) -> list[str]:
            api.webhooks = {webhook["id"]: webhook for webhook in webhooks}
            return [one["word"] for one in findings(run(pipe), "subscriptions", "tw-watch")]

        assert kinds() == ["missing"]
        assert kinds(ours) == []
        assert kinds(ours | {"topics": topics[:1]}) == ["topics_missing"]
        assert kinds(ours | {"status": "inactive"}) == ["inactive"]


def test_an_old_key_in_use_is_reported(pipe: e2e.Pipe, kept: dict) -> None:
    source = pipe.source("scalev", NAME)
    before = list(source["signing_keys"])
    rotated = copy.deepcopy(pipe.stack.sources["scalev"])
    rotated["sources"][NAME]["signing_keys"] = ["the-new-key-of-this-test-only", *before]
    secrets, secret = pipe.stack.client("secretsmanager"), pipe.stack.outputs["ScalevSecret"]
    secrets.put_secret_value(SecretId=secret, SecretString=json.dumps(rotated))
    try:
        forget(pipe, f"source/{SOURCE}")
        put(pipe, kept, 200, 3)
        assert [one["word"] for one in findings(run(pipe), "old_keys")] == ["old_key"]
    finally:
        secrets.put_secret_value(SecretId=secret, SecretString=json.dumps(pipe.stack.sources["scalev"]))
    assert findings(run(pipe), "old_keys") == []


def test_the_schedule_may_call_it(pipe: e2e.Pipe, schedule: dict) -> None:
    assert schedule["ScheduleExpression"] == "rate(5 minutes)" and schedule["State"] == "ENABLED"
    (target,) = pipe.stack.client("events").list_targets_by_rule(Rule=schedule["Name"])["Targets"]
    assert pipe.stack.outputs["WatchFunction"] in target["Arn"]


def test_the_dashboard_is_there(pipe: e2e.Pipe) -> None:
    client = pipe.stack.client("cloudwatch")
    body = json.loads(client.get_dashboard(DashboardName=pipe.stack.physical("Dashboard"))["DashboardBody"])
    assert len(body["widgets"]) == 6


# Errors of functions the local stack counts itself, in its own time and whatever other tests do to them.
ALARMS = sorted(name for name, (_, metric, *_) in test_template.ALARMS.items() if metric != "Errors")
# A value that falls out of an alarm's window after so long.
LEFT_SECONDS = 8
END_SECONDS_MAX = 20


@pytest.fixture(scope="module")
def course(pipe: e2e.Pipe) -> dict[str, tuple[str, str, str]]:
    """Each alarm's state with its metric at its threshold, over it, and when that value has left its window.

    All of them at once: the window is of real time, which is waited for once.
    """
    client = pipe.stack.client("cloudwatch")
    names = {pipe.stack.physical(name): name for name in ALARMS}
    described = client.describe_alarms(AlarmNames=list(names))["MetricAlarms"]
    # Alarms that differ in dimensions alone have their values in common here.
    metrics = {(alarm["Namespace"], alarm["MetricName"]): alarm for alarm in described}

    def states(value: Callable[[dict], float], seconds_ago: Callable[[dict], float]) -> dict[str, str]:
        for (namespace, metric), alarm in metrics.items():
            then = datetime.now(timezone.utc) - timedelta(seconds=seconds_ago(alarm))
            metric_data = {"MetricName": metric, "Dimensions": alarm.get("Dimensions", [])}
            client.put_metric_data(Namespace=namespace, MetricData=[metric_data | {"Value": value(alarm), "Timestamp": then}])
        found = client.describe_alarms(AlarmNames=list(names))["MetricAlarms"]
        return {names[alarm["AlarmName"]]: alarm["StateValue"] for alarm in found}

    def nearly_gone(alarm: dict) -> float:
        return alarm["Period"] * alarm["EvaluationPeriods"] - LEFT_SECONDS

    at = states(lambda alarm: alarm["Threshold"], nearly_gone)
    over = states(lambda alarm: alarm["Threshold"] + 1, nearly_gone)
    deadline = time.monotonic() + END_SECONDS_MAX
    ended = over
    while "ALARM" in ended.values() and time.monotonic() < deadline:
        time.sleep(e2e.STEP_SECONDS)
        ended = states(lambda _: 0, lambda _: 0)
    return {name: (at[name], over[name], ended[name]) for name in ALARMS}


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_rings_and_ends(pipe: e2e.Pipe, course: dict[str, tuple[str, str, str]], name: str) -> None:
    assert course[name] == ("OK", "ALARM", "OK")
    client = pipe.stack.client("cloudwatch")
    (alarm,) = client.describe_alarms(AlarmNames=[pipe.stack.physical(name)])["MetricAlarms"]
    assert "hookmill " in alarm["AlarmDescription"]


def test_silence_needs_two_of_three(pipe: e2e.Pipe) -> None:
    """Its figures, which are all that the local stack can show of it."""
    client = pipe.stack.client("cloudwatch")
    (alarm,) = client.describe_alarms(AlarmNames=[pipe.stack.physical("SourcesAreSilent")])["MetricAlarms"]
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (300, 3, 2)
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["Dimensions"] == [{"Name": "stack", "Value": "hookmill"}]


def test_a_run_that_fails_says_what_failed(pipe: e2e.Pipe) -> None:
    secrets, secret = pipe.stack.client("secretsmanager"), pipe.stack.outputs["SelldoneSecret"]
    secrets.put_secret_value(SecretId=secret, SecretString="no JSON")
    try:
        answer = pipe.stack.client("lambda").invoke(
            FunctionName=pipe.stack.outputs["WatchFunction"], Payload=json.dumps({"hourly": True}).encode()
        )
        error = json.loads(answer["Payload"].read())
        assert answer["FunctionError"] and error["errorType"] == "Duties"
        assert error["errorMessage"] == "duties of the watch failed: sources, sweep"
    finally:
        secrets.put_secret_value(SecretId=secret, SecretString=json.dumps(pipe.stack.sources["selldone"]))
    run(pipe)
