// A webhook receiver as a Node.js developer would write it with Powertools for AWS Lambda (TypeScript): verify, parse,
// keep once, answer. With QUEUE_URL set it sends the event to a queue before it answers, which is the usual design.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { IdempotencyConfig, makeIdempotent } from "@aws-lambda-powertools/idempotency";
import { DynamoDBPersistenceLayer } from "@aws-lambda-powertools/idempotency/dynamodb";
import { Logger } from "@aws-lambda-powertools/logger";
import { LambdaFunctionUrlSchema } from "@aws-lambda-powertools/parser/schemas/lambda";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { z } from "zod";

const { PROVIDER, QUEUE_URL, SECRET_ID, EVENTS_TABLE } = process.env;
const logger = new Logger();
const sqs = QUEUE_URL ? new SQSClient({}) : undefined;
const secret = await new SecretsManagerClient({}).send(new GetSecretValueCommand({ SecretId: SECRET_ID }));
const sources = JSON.parse(secret.SecretString).sources;
const persistenceStore = new DynamoDBPersistenceLayer({ tableName: EVENTS_TABLE });
const config = new IdempotencyConfig({ eventKeyJmesPath: "key", expiresAfterSeconds: 10 * 365 * 86_400 });

const anything = z.record(z.string(), z.unknown());
const schemas = {
  scalev: z.looseObject({ unique_id: z.string(), event: z.string(), data: anything }),
  scalapay: z.looseObject({ orderToken: z.string(), status: z.string().optional(), event: z.string().optional() }),
  shopline: z.looseObject({ trace_id: z.string().optional(), resource: anything }),
  selldone: z.looseObject({}),
};

const hash = (text) => createHash("sha256").update(text).digest("hex");

const keys = {
  scalev: (event) => event.unique_id,
  scalapay: (event) => `${event.orderToken}/${event.status ?? event.event}`,
  shopline: (event) => event.trace_id ?? hash(JSON.stringify(event.resource)),
  selldone: (event) => hash(JSON.stringify(event)),
};

const sorted = (value) => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, sorted(value[name])]),
  );
};

const equal = (given, expected) => {
  const [one, other] = [Buffer.from(given ?? ""), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
};

function verified(source, request, token, body) {
  if (source.scheme === "url_token") return source.url_tokens.some((known) => equal(token, known));
  const header = (name) => request.headers[name] ?? "";
  return source.signing_keys.some((key) => {
    const sign = (...parts) => parts.reduce((mac, part) => mac.update(part), createHmac("sha256", key));
    if (PROVIDER === "scalev") return equal(header("x-scalev-hmac-sha256"), sign(body).digest("base64"));
    if (PROVIDER === "scalapay") {
      const message = `V1:${header("x-scalapay-timestamp")}:`;
      return equal(header("x-scalapay-hmac-v1"), sign(message, body).digest("hex"));
    }
    const text = JSON.stringify(sorted(JSON.parse(body)));
    const message = `${header("x-shopline-developer-event-timestamp")}:${text}`;
    return equal(new URLSearchParams(request.rawQueryString).get("sign"), sign(message).digest("hex"));
  });
}

const keep = makeIdempotent(
  async (delivery) => {
    await sqs?.send(
      new SendMessageCommand({
        QueueUrl: QUEUE_URL,
        MessageBody: delivery.body,
        MessageGroupId: delivery.key.slice(0, 128),
        MessageDeduplicationId: hash(delivery.key),
      }),
    );
    return { kept: delivery.key, body: delivery.body };
  },
  { persistenceStore, config },
);

export async function handle(event, context) {
  const request = LambdaFunctionUrlSchema.parse(event);
  const body = Buffer.from(request.body ?? "", request.isBase64Encoded ? "base64" : "utf8");
  const [name, token] = request.rawPath.slice(1).split("/");
  const source = sources[name];
  if (!source || !verified(source, request, token, body)) {
    logger.warn("refused", { source: name });
    return { statusCode: 401, body: "" };
  }
  config.registerLambdaContext(context);
  const delivery = schemas[PROVIDER].parse(JSON.parse(body));
  const key = `${PROVIDER}/${name}/${keys[PROVIDER](delivery)}`;
  await keep({ key, body: body.toString() });
  logger.info("kept", { source: name, key });
  return { statusCode: 200, body: "" };
}
