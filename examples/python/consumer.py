"""A consumer of WorkQueue in Python: takes every event once, an order's events in their order."""

import json
import os
import time

import boto3
from botocore.exceptions import ClientError

TAKEN = boto3.resource("dynamodb").Table(os.environ["TAKEN_TABLE"])
LAMBDA = boto3.client("lambda")
FORGET_AFTER_SECONDS = 30 * 24 * 60 * 60
MONEY_ARRIVED = ("payment.paid", "payment.captured", "payment.settled")
# States of an order that is not packed, or not any more.
GONE = ("draft", "flagged", "cancelled", "closed", "deleted", "shipped", "completed", "returning", "returned")


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
        once(event["id"], lambda: look_at(event))
        return True
    except Exception as error:
        print(json.dumps({"level": "ERROR", "message": record["messageId"], "reason": repr(error)}))
        return False


def once(name, action):
    """Does what is not done yet. A crash before the note repeats it: pass the name on as the idempotency key."""
    if "Item" not in TAKEN.get_item(Key={"id": name}, ConsistentRead=True):
        action()
        TAKEN.put_item(Item={"id": name, "expires": int(time.time()) + FORGET_AFTER_SECONDS})


def look_at(event):
    """Hands an event over with its data, which may not have fitted into the message."""
    if "dataref" in event:
        event["data"] = ask(id=event["dataref"])["data"]
    work(event, is_latest(event))


def ask(**question):
    """Asks the read function for an event by its `id`, or for an `order` with its view."""
    answer = LAMBDA.invoke(FunctionName=os.environ["READ_FUNCTION"], Payload=json.dumps(question))
    result = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise RuntimeError(result["errorMessage"])
    return result


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
    """Your part: an order that is paid is packed once, however many events report that, and an event decides nothing
    alone, because the order may have been cancelled meanwhile."""
    doubtful = [mark for mark in ("conflict", "changedshape", "unreadable", "unrecognised") if event.get(mark)]
    if event.get("test"):
        action = "none"
    elif doubtful:
        action = "ask a person"
    else:
        if event["type"].startswith(("order.", "payment.")):
            pack_if_due(event, latest)
        action = "show the new state" if latest else "none"
    print(json.dumps({"id": event["id"], "type": event["type"], "latest": latest, "action": action}))


def pack_if_due(event, latest):
    """Has an event's order packed, if its view says so and it is not done."""
    order = "/".join(event["id"].split("/")[:3])
    summary = ask(order=order)["summary"]
    if latest and event["type"] in MONEY_ARRIVED and summary["payment_state"] in (None, "pending", "authorized"):
        raise RuntimeError(f"the view of {order} is behind: the message comes again")
    if is_to_be_packed(summary):
        once(f"{order} packed", lambda: pack(order))


def is_to_be_packed(summary):
    """Returns whether an order is paid, not called off, and still here."""
    return (
        summary["payment_state"] in ("paid", "settled", "partially_refunded")
        and summary["order_state"] not in GONE
        and summary["fulfillment_state"] in (None, "pending", "preparing")
    )


def pack(order):
    """The work that is done once for an order."""
    print(json.dumps({"order": order, "action": "start packing"}))
