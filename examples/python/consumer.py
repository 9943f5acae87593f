"""A consumer of WorkQueue in Python: takes every event once, an order's events in their order."""

import json
import os
import time

import boto3
from botocore.exceptions import ClientError

TAKEN = boto3.resource("dynamodb").Table(os.environ["TAKEN_TABLE"])
LAMBDA = boto3.client("lambda")
FORGET_AFTER_SECONDS = 30 * 24 * 60 * 60


def handler(batch, _context):
    """Answers with the messages that have to come again."""
    failures, stopped = [], set()
    for record in batch["Records"]:
        group = record["attributes"]["MessageGroupId"]
        # A group goes on in its order or not at all.
        if group in stopped or not taken(record):
            stopped.add(group)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def taken(record):
    """Returns whether a message is done with."""
    try:
        event = json.loads(record["body"])
        if "Item" in TAKEN.get_item(Key={"id": event["id"]}, ConsistentRead=True):
            return True
        if "dataref" in event:
            event["data"] = read(event["dataref"])["data"]
        work(event, is_latest(event))
        TAKEN.put_item(Item={"id": event["id"], "expires": int(time.time()) + FORGET_AFTER_SECONDS})
        return True
    except Exception as error:
        print(json.dumps({"level": "ERROR", "message": record["messageId"], "reason": repr(error)}))
        return False


def read(event_id):
    """The whole event, of which only the envelope fitted into a message."""
    answer = LAMBDA.invoke(FunctionName=os.environ["READ_FUNCTION"], Payload=json.dumps({"id": event_id}))
    event = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise RuntimeError(event["errorMessage"])
    return event


def is_latest(event):
    """Returns whether nothing later is known of the same order, payment, fulfilment or return: events may come late."""
    data = event.get("data", {})
    about = "/".join([event["source"], event["subject"], data.get("kind", ""), data.get("id") or ""])
    try:
        TAKEN.put_item(
            Item={"id": about, "position": event["sequence"]},
            ConditionExpression="attribute_not_exists(id) OR #position <= :position",
            ExpressionAttributeNames={"#position": "position"},
            ExpressionAttributeValues={":position": event["sequence"]},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def work(event, latest):
    """Your part. A crash can bring an event twice: pass its id on as the idempotency key of what you call."""
    doubtful = [mark for mark in ("conflict", "possiblyrepeated", "unreadable", "unrecognised") if event.get(mark)]
    if event.get("test"):
        action = "none"
    elif doubtful:
        action = "ask a person"
    elif event["type"] in ("payment.paid", "payment.captured") and not event.get("revision"):
        action = "start packing"
    else:
        action = "show the new state" if latest else "none"
    print(json.dumps({"id": event["id"], "type": event["type"], "latest": latest, "action": action}))
