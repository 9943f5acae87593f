"""The example consumer in Python, fed with what the local stack has on its queue."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from tests import cli as tool
from tests import e2e
from tests.local import run
from tests.local.stack import ROOT, Stack

CONSUMERS = ROOT / "examples"
TABLE = "taken-by-the-example"
# A sample whose order has no other: whoever sends it first, nothing else is affected.
LONE = "expired"
# The orders of the samples that are paid and neither called off nor gone.
TO_BE_PACKED = [
    "scalapay/it/71KH916VPE",
    "scalapay/it/E1KLSVMATB",
    "scalapay/it/T2TOTALOBJ",
    "scalev/main/260915T2CUST",
    "selldone/main/1:AvocadoOrder:9019",
    "selldone/main/1:AvocadoOrder:9601",
    "selldone/main/1:FulfillmentOrder:77001",
    "selldone/main/1:FulfillmentOrder:9019",
    "selldone/main/1:HyperOrder:9019",
    "selldone/main/1:OnlineOrder:9025",
    "selldone/main/1:OnlineOrder:9026",
    "selldone/main/1:OnlineOrder:9027",
    "selldone/main/1:OnlineOrder:9301",
    "selldone/main/1:OnlineOrder:9302",
    "selldone/main/1:OnlineOrder:9304",
    "selldone/main/1:PosOrder:9019",
    "shopline/tw/69b94b5266b99d1cc7a00004",
]


@pytest.fixture(scope="module")
def consumer(stack: Stack) -> Iterator[ModuleType]:
    """The example as Lambda loads it, over the stack's DynamoDB and its read function."""
    table = {
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    stack.client("dynamodb").create_table(TableName=TABLE, **table)
    variables = {
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TAKEN_TABLE": TABLE,
        "READ_FUNCTION": stack.outputs["ReadFunction"],
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        spec = importlib.util.spec_from_file_location("consumer", CONSUMERS / "python" / "consumer.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    stack.client("dynamodb").delete_table(TableName=TABLE)


@pytest.fixture
def work(consumer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict, bool]]:
    """Every call of the example's own work: the event, and whether it was the latest."""
    calls: list[tuple[dict, bool]] = []
    monkeypatch.setattr(consumer, "work", lambda event, latest: calls.append((event, latest)))
    return calls


@pytest.fixture
def packed(consumer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every order that the example has packed."""
    orders: list[str] = []
    monkeypatch.setattr(consumer, "pack", orders.append)
    return orders


@pytest.fixture
def failing(consumer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has the work fail for one event."""

    def fail(event_id: str) -> None:
        def work(event: dict, _latest: bool) -> None:
            if event["id"] == event_id:
                raise RuntimeError("the warehouse is closed")

        monkeypatch.setattr(consumer, "work", work)

    return fail


def record(number: int, event: dict | str, group: str) -> dict:
    """Returns a message as Lambda hands it over."""
    body = event if isinstance(event, str) else json.dumps(event)
    return {
        "messageId": f"message-{number}",
        "body": body,
        "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
    }


def batch(*messages: tuple[dict | str, str]) -> dict:
    """Messages and their groups as one invocation."""
    return {"Records": [record(number, *message) for number, message in enumerate(messages)]}


def failed(answer: dict) -> list[int]:
    """Returns the numbers of the messages that have to come again."""
    return [int(failure["itemIdentifier"].removeprefix("message-")) for failure in answer["batchItemFailures"]]


def recorded(name: str, **changes: object) -> dict:
    """Returns a recorded reading under an id of its own, so that no test meets another's."""
    event = json.loads((run.EVENTS / f"{name}.event.json").read_text(encoding="utf-8"))
    return event | changes


def test_every_recorded_event_is_taken_once(consumer: ModuleType, work: list) -> None:
    events = [e2e.reading(file) for file in run.cases()]
    messages = batch(*((event, "/".join(event["id"].split("/")[:3])) for event in events))
    assert consumer.handler(messages, None) == {"batchItemFailures": []}
    assert [event["id"] for event, _ in work] == [event["id"] for event in events]
    assert consumer.handler(messages, None) == {"batchItemFailures": []}
    assert len(work) == len(events)


def test_a_late_event_is_taken_but_is_not_the_latest(consumer: ModuleType, work: list) -> None:
    settled = recorded("scalev/payment.received.settled", id="late/1", subject="late")
    paid = recorded("scalev/payment.received.paid", id="late/2", subject="late")
    order = recorded("scalev/order.created.2026", id="late/3", subject="late")
    assert failed(consumer.handler(batch((settled, "g"), (paid, "g"), (order, "g")), None)) == []
    # The order is another thing than its payment, however old.
    assert [(event["id"], latest) for event, latest in work] == [("late/1", True), ("late/2", False), ("late/3", True)]


def test_a_group_stops_at_its_first_failure(consumer: ModuleType, failing: Callable[[str], None]) -> None:
    failing("stop/2")
    events = [recorded("scalev/order.updated.2025", id=f"stop/{number}", subject="stop") for number in range(1, 5)]
    messages = batch((events[0], "a"), (events[1], "a"), (events[2], "b"), (events[3], "a"), ("no event", "c"))
    assert failed(consumer.handler(messages, None)) == [1, 3, 4]
    failing("none")
    assert failed(consumer.handler(messages, None)) == [4]


def test_an_event_too_large_for_a_message_is_read_by_its_id(
    consumer: ModuleType, work: list, pipe: e2e.Pipe
) -> None:
    assert pipe.send("scalapay", pipe.signed("scalapay", e2e.sample("scalapay", LONE))).status == 200
    expected = e2e.reading(run.EVENTS / "scalapay" / f"{LONE}.json")
    bare = {name: value for name, value in expected.items() if name != "data"} | {"dataref": expected["id"]}
    # Under an id of its own: the first test has taken the recorded one.
    messages = batch((bare | {"id": "dataref/1"}, "a"), (bare | {"id": "dataref/2", "dataref": "no/such/event"}, "b"))
    assert failed(consumer.handler(messages, None)) == [1]
    assert [taken["data"] for taken, _ in work] == [expected["data"]]


def forget_what_was_taken(stack: Stack) -> None:
    """Empties the example's table."""
    table = stack.client("dynamodb")
    pages = table.get_paginator("scan").paginate(TableName=TABLE, ProjectionExpression="id")
    for item in [item for page in pages for item in page["Items"]]:
        table.delete_item(TableName=TABLE, Key=item)


def take_all(consumer: ModuleType, events: list[dict]) -> None:
    """Hands events over in batches of ten until none comes again."""
    for _ in range(5):
        left: list[dict] = []
        for start in range(0, len(events), 10):
            some = events[start : start + 10]
            messages = batch(*((event, "/".join(event["id"].split("/")[:3])) for event in some))
            left += [some[number] for number in failed(consumer.handler(messages, None))]
        if not left:
            return
        events = left
    raise AssertionError(f"never taken: {[event['id'] for event in events]}")


def test_what_is_paid_and_not_called_off_is_packed_once(
    consumer: ModuleType, packed: list[str], pipe: e2e.Pipe
) -> None:
    """All samples, in several orders: their views are the same in the end, and so is what was packed."""
    stack, files = pipe.stack, run.cases()
    run.send_all(stack, tool.binary(), files, run.Progress(len(files)))
    events = [e2e.reading(file) for file in files]
    pipe.wait_for_messages([event["id"] for event in events])
    pipe.wait_for_views()
    for seed in range(4):
        forget_what_was_taken(stack)
        packed.clear()
        if seed:
            random.Random(seed).shuffle(events)
        # A queue may hand anything over again, and so may a consumer that crashed.
        take_all(consumer, events + events[::3])
        assert sorted(packed) == TO_BE_PACKED, seed


def test_an_order_is_packed_when_its_view_has_the_payment(
    consumer: ModuleType, packed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = {"order_state": "pending", "payment_state": "pending", "fulfillment_state": None}
    monkeypatch.setattr(consumer, "ask", lambda order: {"summary": summary})
    names = ("scalev/order.payment_status_changed.paid", "scalev/payment.received.paid", "scalev/payment.received.settled")
    paid = [recorded(name, id=f"scalev/view/1/{number}", subject="view") for number, name in enumerate(names)]
    # The view is behind: the message comes again, and the order is not given up.
    assert (failed(consumer.handler(batch((paid[0], "g")), None)), packed) == ([0], [])
    summary |= {"payment_state": "paid", "order_state": "cancelled"}
    assert (failed(consumer.handler(batch((paid[0], "g")), None)), packed) == ([], [])
    summary |= {"order_state": "confirmed"}
    assert failed(consumer.handler(batch((paid[1], "g"), (paid[2], "g"), (paid[1], "g")), None)) == []
    assert packed == ["scalev/view/1"]


@pytest.fixture
def queue(stack: Stack) -> Iterator[str]:
    """A FIFO queue of this test's own, which hides a message for two seconds."""
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "2"}
    url = stack.client("sqs").create_queue(QueueName="polled-by-the-example.fifo", Attributes=attributes)["QueueUrl"]
    yield url
    stack.client("sqs").delete_queue(QueueUrl=url)


def waiting(stack: Stack, queue: str) -> int:
    """Returns the number of messages in a queue, hidden ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = stack.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def test_the_polling_example_deletes_what_it_did_and_ends_on_sigterm(
    consumer: ModuleType, stack: Stack, queue: str
) -> None:
    # Of a customer, so that no order's view is asked for.
    sample = "scalev/checkout_intent.abandoned"
    events = [recorded(sample, id=f"poll/{number}", subject="poll") for number in range(3)]
    bodies = [(json.dumps(event), "a") for event in events] + [("no event", "b"), (json.dumps(events[0]), "b")]
    for number, (body, group) in enumerate(bodies):
        stack.client("sqs").send_message(
            QueueUrl=queue, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=str(number)
        )
    process = subprocess.Popen(
        [sys.executable, CONSUMERS / "python" / "poll.py"],
        env=os.environ | {"WORK_QUEUE_URL": queue, "WAIT_SECONDS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        # The message behind the broken one waits with it.
        e2e.wait_until(lambda: waiting(stack, queue) == 2, "the events are not deleted")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["id"] for line in lines if "id" in line] == [event["id"] for event in events]
    assert any(line.get("level") == "ERROR" for line in lines)


def test_the_rust_example_is_no_part_of_the_workspace() -> None:
    assert "\n[workspace]\n" in (CONSUMERS / "rust" / "Cargo.toml").read_text()
