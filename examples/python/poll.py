"""The same consumer without Lambda: a process that asks WorkQueue for messages until it gets SIGTERM or Ctrl-C.

    WORK_QUEUE_URL=… TAKEN_TABLE=… READ_FUNCTION=… python poll.py
"""

import os
import signal

import boto3

from consumer import taken

QUEUE_URL = os.environ["WORK_QUEUE_URL"]
SQS = boto3.client("sqs")
# Long polling: one call waits for messages instead of many that find none.
WAIT_SECONDS = int(os.environ.get("WAIT_SECONDS", "20"))


class Stop:
    """Set by a signal; the batch under way is finished, so no message is left half done."""

    asked = False

    def __call__(self, _signal, _frame):
        self.asked = True


def receive():
    """Up to ten messages; those of one order come in their order, and its next ones wait until these are deleted."""
    answer = SQS.receive_message(
        QueueUrl=QUEUE_URL,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=WAIT_SECONDS,
        MessageSystemAttributeNames=["MessageGroupId"],
    )
    return answer.get("Messages", [])


def handle(messages):
    """Deletes what was done. What failed, and what follows it in its order, comes again after the visibility timeout."""
    stopped = set()
    for message in messages:
        group = message["Attributes"]["MessageGroupId"]
        record = {"messageId": message["MessageId"], "body": message["Body"]}
        if group not in stopped and taken(record):
            SQS.delete_message(QueueUrl=QUEUE_URL, ReceiptHandle=message["ReceiptHandle"])
        else:
            stopped.add(group)


def main():
    """Handles batch after batch until it is asked to stop."""
    stop = Stop()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while not stop.asked:
        handle(receive())


if __name__ == "__main__":
    main()
