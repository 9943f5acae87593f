"""A webhook receiver as a Python developer would write it with Powertools: verify, parse, keep once, answer.

With QUEUE_URL set it sends the event to a queue before it answers, which is the usual design.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from urllib.parse import parse_qs

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.parser import parse
from aws_lambda_powertools.utilities.parser.models import LambdaFunctionUrlModel
from pydantic import BaseModel, ConfigDict, JsonValue

PROVIDER = os.environ["PROVIDER"]
QUEUE_URL = os.environ.get("QUEUE_URL", "")
SOURCES = json.loads(parameters.get_secret(os.environ["SECRET_ID"]))["sources"]

logger = Logger()
sqs = boto3.client("sqs") if QUEUE_URL else None
layer = DynamoDBPersistenceLayer(table_name=os.environ["EVENTS_TABLE"])
config = IdempotencyConfig(event_key_jmespath="key", expires_after_seconds=10 * 365 * 86_400)


class Scalev(BaseModel):
    model_config = ConfigDict(extra="allow")
    unique_id: str
    event: str
    data: dict[str, JsonValue]

    def key(self) -> str:
        return self.unique_id


class Scalapay(BaseModel):
    model_config = ConfigDict(extra="allow")
    orderToken: str
    status: str | None = None
    event: str | None = None

    def key(self) -> str:
        return f"{self.orderToken}/{self.status or self.event}"


class Shopline(BaseModel):
    model_config = ConfigDict(extra="allow")
    topic: str | None = None
    event: str | None = None
    trace_id: str | None = None
    resource: dict[str, JsonValue]

    def key(self) -> str:
        return self.trace_id or hashlib.sha256(json.dumps(self.resource, sort_keys=True).encode()).hexdigest()


class Selldone(BaseModel):
    model_config = ConfigDict(extra="allow")

    def key(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


MODELS = {"scalev": Scalev, "scalapay": Scalapay, "shopline": Shopline, "selldone": Selldone}


def digest(key: str, message: bytes) -> bytes:
    return hmac.new(key.encode(), message, hashlib.sha256).digest()


def verified(source: dict, headers: dict[str, str], query: str, token: str, body: bytes) -> bool:
    if source["scheme"] == "url_token":
        return any(hmac.compare_digest(token.encode(), known.encode()) for known in source["url_tokens"])
    for key in source["signing_keys"]:
        if PROVIDER == "scalev":
            given, expected = headers.get("x-scalev-hmac-sha256", ""), base64.b64encode(digest(key, body)).decode()
        elif PROVIDER == "scalapay":
            message = f"V1:{headers.get('x-scalapay-timestamp', '')}:".encode() + body
            given, expected = headers.get("x-scalapay-hmac-v1", ""), digest(key, message).hex()
        else:
            text = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            message = f"{headers.get('x-shopline-developer-event-timestamp', '')}:{text}".encode()
            given, expected = parse_qs(query).get("sign", [""])[0], digest(key, message).hex()
        if hmac.compare_digest(given.encode(), expected.encode()):
            return True
    return False


@idempotent_function(data_keyword_argument="delivery", persistence_store=layer, config=config)
def keep(delivery: dict) -> dict:
    if sqs:
        sqs.send_message(
            QueueUrl=QUEUE_URL,
            MessageBody=delivery["body"],
            MessageGroupId=delivery["key"][:128],
            MessageDeduplicationId=hashlib.sha256(delivery["key"].encode()).hexdigest(),
        )
    return {"kept": delivery["key"], "body": delivery["body"]}


def answer(status: int) -> dict:
    return {"statusCode": status, "body": ""}


def handle(event: dict, context: object) -> dict:
    request = parse(event=event, model=LambdaFunctionUrlModel)
    body = request.body or ""
    raw = base64.b64decode(body) if request.isBase64Encoded else body.encode()
    name, _, token = request.rawPath.lstrip("/").partition("/")
    source = SOURCES.get(name)
    if source is None or not verified(source, request.headers, request.rawQueryString, token, raw):
        logger.warning("refused", source=name)
        return answer(401)
    config.register_lambda_context(context)
    delivery = MODELS[PROVIDER].model_validate_json(raw)
    key = f"{PROVIDER}/{name}/{delivery.key()}"
    keep(delivery={"key": key, "body": raw.decode()})
    logger.info("kept", source=name, key=key)
    return answer(200)
