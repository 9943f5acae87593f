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
  revision?: boolean;
  conflict?: boolean;
  possiblyrepeated?: boolean;
  unrecognised?: boolean;
  unreadable?: string;
}

const { TAKEN_TABLE: TableName, READ_FUNCTION: FunctionName } = process.env;
const FORGET_AFTER_SECONDS = 30 * 24 * 60 * 60;
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
    const known = await table.send(new GetCommand({ TableName, Key: { id: event.id }, ConsistentRead: true }));
    if (known.Item) return true;
    const whole = event.dataref ? { ...event, data: (await read(event.dataref)).data! } : event;
    work(whole, await isLatest(whole));
    const expires = Math.floor(Date.now() / 1000) + FORGET_AFTER_SECONDS;
    await table.send(new PutCommand({ TableName, Item: { id: event.id, expires } }));
    return true;
  } catch (error) {
    console.error(JSON.stringify({ message: record.messageId, reason: String(error) }));
    return false;
  }
}

/** The whole event, of which only the envelope fitted into a message. */
async function read(id: string): Promise<Event> {
  const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify({ id }) }));
  const event = JSON.parse(answer.Payload!.transformToString());
  if (answer.FunctionError) throw new Error(event.errorMessage);
  return event;
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

/** Your part. A crash can bring an event twice: pass its id on as the idempotency key of what you call. */
function work(event: Event, latest: boolean): void {
  let action = latest ? "show the new state" : "none";
  if (event.test) action = "none";
  else if (event.conflict || event.possiblyrepeated || event.unreadable || event.unrecognised) action = "ask a person";
  else if (["payment.paid", "payment.captured"].includes(event.type) && !event.revision) action = "start packing";
  console.log(JSON.stringify({ id: event.id, type: event.type, latest, action }));
}
