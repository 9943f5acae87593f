/** A consumer of WorkQueue in TypeScript: takes every event once, an order's events in their order. */

import { ConditionalCheckFailedException, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import type { SQSBatchItemFailure, SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";

/** What this consumer needs of an event. New types and new members come without notice. */
interface Event {
  id: string;
  source: string;
  subject: string;
  type: string;
  sequence: string;
  dataref?: string;
  data?: { kind: string; id?: string };
  test?: boolean;
  conflict?: boolean;
  changedshape?: boolean;
  unrecognised?: boolean;
  unreadable?: string;
}

/** An order's states, as the read function has them. */
interface Summary {
  order_state: string | null;
  payment_state: string | null;
  fulfillment_state: string | null;
}

const { TAKEN_TABLE: TableName, READ_FUNCTION: FunctionName } = process.env;
const FORGET_AFTER_SECONDS = 30 * 24 * 60 * 60;
const MONEY_ARRIVED = ["payment.paid", "payment.captured", "payment.settled"];
// States of an order that is not packed, or not any more.
const GONE = ["draft", "flagged", "cancelled", "closed", "deleted", "shipped", "completed", "returning", "returned"];
const table = DynamoDBDocumentClient.from(new DynamoDBClient());
const lambda = new LambdaClient();

/** Answers with the messages that have to come again. */
export async function handler(batch: SQSEvent): Promise<SQSBatchResponse> {
  const batchItemFailures: SQSBatchItemFailure[] = [];
  const stopped = new Set<string>();
  for (const record of batch.Records) {
    const group = record.attributes.MessageGroupId ?? "";
    // A group goes on in its order or not at all.
    if (stopped.has(group) || !(await taken(record))) {
      stopped.add(group);
      batchItemFailures.push({ itemIdentifier: record.messageId });
    }
  }
  return { batchItemFailures };
}

/** Whether a message is done with. */
async function taken(record: SQSRecord): Promise<boolean> {
  try {
    const event: Event = JSON.parse(record.body);
    await once(event.id, () => lookAt(event));
    return true;
  } catch (error) {
    console.error(JSON.stringify({ message: record.messageId, reason: String(error) }));
    return false;
  }
}

/** Does what is not done yet. A crash before the note repeats it: pass the name on as the idempotency key. */
async function once(id: string, action: () => Promise<void> | void): Promise<void> {
  const known = await table.send(new GetCommand({ TableName, Key: { id }, ConsistentRead: true }));
  if (known.Item) return;
  await action();
  const expires = Math.floor(Date.now() / 1000) + FORGET_AFTER_SECONDS;
  await table.send(new PutCommand({ TableName, Item: { id, expires } }));
}

/** Hands an event over with its data, which may not have fitted into the message. */
async function lookAt(event: Event): Promise<void> {
  const whole = event.dataref ? { ...event, data: (await ask<Event>({ id: event.dataref })).data! } : event;
  await work(whole, await isLatest(whole));
}

/** Asks the read function for an event by its `id`, or for an `order` with its view. */
async function ask<Answer>(question: { id: string } | { order: string }): Promise<Answer> {
  const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(question) }));
  const result = JSON.parse(answer.Payload!.transformToString());
  if (answer.FunctionError) throw new Error(result.errorMessage);
  return result;
}

/** Whether nothing later is known of the same order, payment, fulfilment or return: events may come late. */
async function isLatest({ source, subject, data, sequence }: Event): Promise<boolean> {
  const id = [source, subject, data?.kind ?? "", data?.id ?? ""].join("/");
  const put = new PutCommand({
    TableName,
    Item: { id, position: sequence },
    ConditionExpression: "attribute_not_exists(id) OR #position <= :position",
    ExpressionAttributeNames: { "#position": "position" },
    ExpressionAttributeValues: { ":position": sequence },
  });
  try {
    await table.send(put);
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}

/**
 * Your part: an order that is paid is packed once, however many events report that, and an event decides nothing alone,
 * because the order may have been cancelled meanwhile.
 */
async function work(event: Event, latest: boolean): Promise<void> {
  let action = latest ? "show the new state" : "none";
  if (event.test) action = "none";
  else if (event.conflict || event.changedshape || event.unreadable || event.unrecognised) action = "ask a person";
  else if (event.type.startsWith("order.") || event.type.startsWith("payment.")) await packIfDue(event, latest);
  console.log(JSON.stringify({ id: event.id, type: event.type, latest, action }));
}

/** Has an event's order packed, if its view says so and it is not done. */
async function packIfDue(event: Event, latest: boolean): Promise<void> {
  const order = event.id.split("/").slice(0, 3).join("/");
  const { summary } = await ask<{ summary: Summary }>({ order });
  if (latest && MONEY_ARRIVED.includes(event.type) && [null, "pending", "authorized"].includes(summary.payment_state)) {
    throw new Error(`the view of ${order} is behind: the message comes again`);
  }
  if (isToBePacked(summary)) await once(`${order} packed`, () => pack(order));
}

/** Whether an order is paid, not called off, and still here. */
function isToBePacked({ order_state, payment_state, fulfillment_state }: Summary): boolean {
  return (
    ["paid", "settled", "partially_refunded"].includes(payment_state ?? "") &&
    !GONE.includes(order_state ?? "") &&
    [null, "pending", "preparing"].includes(fulfillment_state)
  );
}

/** The work that is done once for an order. */
function pack(order: string): void {
  console.log(JSON.stringify({ order, action: "start packing" }));
}
