"""The content of AWS: asked of the table, its stream, the queues and the order views, and of nothing of ours.

All of it goes straight to the local AWS, past the proxy.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from tests import e2e
from tests.local import run
from tests.local.stack import Stack, StackError
from tests.soak.background import Background

DEAD_LETTER_QUEUES = ("RelayDeadLetterQueueUrl", "OrdersDeadLetterQueueUrl", "WorkDeadLetterQueueUrl")
# A killed consumer's messages come back when their visibility is over. Six time-outs would be three minutes.
VISIBILITY_SECONDS = 10
STEP_SECONDS = 0.3
PROGRESS_SECONDS = 10
READ_MAX = 40
READ_EVERY_SECONDS = 0.5
# Longer than a batch of messages stays hidden after its function was killed, and a new one starts.
STALLED_SECONDS = 45


@dataclass(frozen=True)
class Message:
    """One message of WorkQueue, as its consumer got it."""

    event: dict
    group: str
    deduplication: str
    sent_ms: int


@dataclass
class Found:
    """Everything that was there at the end."""

    # By event id; `body` is decompressed.
    rows: dict[str, dict] = field(default_factory=dict)
    refused: list[dict] = field(default_factory=list)
    # The ids of the rows in the order of the table's stream, which is the order of keeping.
    stream: list[str] = field(default_factory=list)
    # In the order of their receipt.
    messages: list[Message] = field(default_factory=list)
    # By partition key.
    views: dict[str, dict] = field(default_factory=dict)
    # Some events by id, as the read function returns them.
    read: dict[str, dict] = field(default_factory=dict)
    dead_letters: dict[str, list[str]] = field(default_factory=dict)
    # The number of messages left in each queue.
    left: dict[str, int] = field(default_factory=dict)


class Consumer(Background):
    """A user's own consumer: takes everything that comes off WorkQueue and keeps it.

    It also takes the relay's dead letters, which name the events that were parked for it.
    """

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack = stack
        self.messages: list[Message] = []
        self.dead_letters: list[str] = []
        self.failures: set[str] = set()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                if not self.take():
                    dead_letters = receive(self.stack, "RelayDeadLetterQueueUrl")
                    self.dead_letters += [dead_letter["Body"] for dead_letter in dead_letters]
                    self.over.wait(STEP_SECONDS)
            except Exception as error:  # The run fails at its end, not in the middle.
                self.failures.add(f"consumer: {error!r}")
                self.over.wait(STEP_SECONDS)

    def take(self) -> int:
        """Takes what there is just now."""
        came = receive(self.stack, "WorkQueueUrl")
        # In the order of their receipt, which within a group is the queue's.
        for message in came:
            attributes = message["Attributes"]
            self.messages.append(
                Message(
                    json.loads(message["Body"]),
                    attributes["MessageGroupId"],
                    attributes["MessageDeduplicationId"],
                    int(attributes["SentTimestamp"]),
                )
            )
        return len(came)

    def handed_over(self) -> set[str]:
        """Returns the ids of the events that came or were parked."""
        parked = {json.loads(dead_letter).get("id") for dead_letter in list(self.dead_letters)}
        return parked | {message.event["id"] for message in list(self.messages)}


class Reader:
    """A user's own code that asks for single events, of those that have come."""

    def __init__(self, stack: Stack, consumer: Consumer, seed: int) -> None:
        self.stack = stack
        self.consumer = consumer
        self.chance = random.Random(seed)
        self.read: dict[str, dict] = {}
        # Under fire it may fail; its caller would ask again.
        self.failed = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, name="reader", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.over.set()
        self.thread.join(60)

    def run(self) -> None:
        while not self.over.wait(READ_EVERY_SECONDS):
            if not self.consumer.messages:
                continue
            id_ = self.chance.choice(self.consumer.messages).event["id"]
            try:
                self.read[id_] = self.stack.invoke("ReadFunction", {"id": id_})
            except (StackError, BotoCoreError, ClientError):
                self.failed += 1


def receive(stack: Stack, queue: str) -> list[dict]:
    """Takes up to ten messages off a queue."""
    client, url = stack.client("sqs"), stack.outputs[queue]
    answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])
    came = answer.get("Messages", [])
    if came:
        entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(came)]
        deleted = client.delete_message_batch(QueueUrl=url, Entries=entries)
        if deleted.get("Failed"):
            raise RuntimeError(f"messages could not be deleted: {deleted['Failed']}")
    return came


def hasten(stack: Stack) -> None:
    """Lets the orders' messages come back soon after their function was killed."""
    stack.client("sqs").set_queue_attributes(
        QueueUrl=stack.outputs["OrdersQueueUrl"], Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)}
    )


def count_rows(stack: Stack) -> int:
    """Returns how many event rows there are."""
    return sum(1 for _ in scan(stack, "EventsTable", "pk, sk"))


def wait_until_settled(stack: Stack, consumer: Consumer, deadline: float, say: Callable[[str], None]) -> bool:
    """Waits until every row's event has come and our queues are empty; whether that was so in time.

    Where nothing moves any more, it is over before the deadline.
    """
    rows = count_rows(stack)
    last, since, shown = None, time.monotonic(), time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < STALLED_SECONDS:
        arrived = len(consumer.handed_over())
        now = (arrived, run.messages(stack, "OrdersQueueUrl"), run.messages(stack, "WorkQueueUrl"))
        if arrived >= rows and now[1:] == (0, 0):
            return True
        if now != last:
            last, since = now, time.monotonic()
        if time.monotonic() - shown >= PROGRESS_SECONDS:
            shown = time.monotonic()
            say(f"  {arrived} of {rows} came, {now[1]} are still to be joined into order views")
        time.sleep(STEP_SECONDS)
    return False


def redrive(stack: Stack) -> int:
    """Puts the orders' dead letters back, as an operator would once the trouble is over."""
    client, moved = stack.client("sqs"), 0
    while came := receive(stack, "OrdersDeadLetterQueueUrl"):
        for message in came:
            client.send_message(
                QueueUrl=stack.outputs["OrdersQueueUrl"],
                MessageBody=message["Body"],
                MessageGroupId=message["Attributes"]["MessageGroupId"],
                # Under its own id the queue would take it for a repeat.
                MessageDeduplicationId=f"redriven-{message['MessageId']}",
            )
            moved += 1
    return moved


def observe(stack: Stack, consumer: Consumer, read: dict[str, dict]) -> Found:
    """Reads everything there is; `read` is what the read function returned under fire."""
    pipe = e2e.Pipe(stack)
    found = Found(messages=list(consumer.messages), read=dict(read))
    for item in scan(stack, "EventsTable"):
        row = e2e.plain(item)
        if row["kind"] == "event":
            row["body"] = None if "body_of" in row else pipe.body(row)
            found.rows[f"{row['pk']}/{row['sk']}"] = row
        elif row["kind"] == "refused":
            found.refused.append(row)
    found.stream = read_stream(stack)
    found.views = pipe.views()
    ids = sorted(found.rows)
    for id_ in ids[:: len(ids) // READ_MAX + 1]:
        found.read[id_] = pipe.read(id_)
    for queue in DEAD_LETTER_QUEUES:
        found.dead_letters[queue] = []
        while came := receive(stack, queue):
            found.dead_letters[queue] += [message["Body"] for message in came]
    found.dead_letters["RelayDeadLetterQueueUrl"] += consumer.dead_letters
    for queue in ("OrdersQueueUrl", "WorkQueueUrl"):
        found.left[queue] = run.messages(stack, queue) or 0
    return found


def scan(stack: Stack, table: str, attributes: str = "") -> Iterator[dict]:
    """Returns a table's items; of the events table only event rows where just some attributes are wanted."""
    query: dict = {"TableName": stack.outputs[table], "ConsistentRead": True}
    if attributes:
        query |= {
            "ProjectionExpression": attributes,
            "FilterExpression": "kind = :event",
            "ExpressionAttributeValues": {":event": {"S": "event"}},
        }
    for page in stack.client("dynamodb").get_paginator("scan").paginate(**query):
        yield from page["Items"]


def read_stream(stack: Stack) -> list[str]:
    """Returns the ids of the event rows in the stream's order."""
    client = stack.client("dynamodbstreams")
    table = stack.client("dynamodb").describe_table(TableName=stack.outputs["EventsTable"])["Table"]
    arn = table["LatestStreamArn"]
    ids = []
    for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = client.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            answer = client.get_records(ShardIterator=iterator, Limit=1000)
            for record in answer["Records"]:
                image = record["dynamodb"].get("NewImage", {})
                if record["eventName"] == "INSERT" and image.get("kind") == {"S": "event"}:
                    ids.append(f"{image['pk']['S']}/{image['sk']['S']}")
            # An open shard always has a next iterator: it is at its end where nothing comes any more.
            iterator = answer.get("NextShardIterator") if answer["Records"] else None
    return ids
