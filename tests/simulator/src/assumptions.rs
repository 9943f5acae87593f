//! The simulator's assumptions about AWS, rule by rule, each with the page that it comes from.
//!
//! Everything else in this crate follows from these rules, from the deployment (`template.yaml`) or from the seed.

/// The events table's name here.
pub const TABLE_EVENTS: &str = "events";
/// The order views' table's name here.
pub const TABLE_ORDERS: &str = "orders";

// ---- DynamoDB

/// A put with a condition is atomic for its item: of several writers to one absent item one succeeds, and the others
/// get `ConditionalCheckFailedException`, with the existing item if they asked for it.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html>,
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html>
///
/// A failed condition is billed as a write of the larger of both items.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html#WorkingWithItems.ConditionalUpdate>
pub const FAILED_CONDITIONS_ARE_BILLED: bool = true;

/// An item has 400 KB at most, names and values together.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-items>
pub const ITEM_BYTES_MAX: usize = 400 * 1_024;

/// A consistent read sees every write that was acknowledged before it began.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html>
pub const READS_ARE_CONSISTENT: bool = true;

/// A request that the caller gave up may still take effect: this is how much later, at most.
/// DynamoDB promises nothing here; a minute is more than any SDK call of ours waits.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
pub const LATE_EFFECT_MS_MAX: u64 = 60_000;

// ---- The table's stream

/// Each change is in the stream exactly once, and the changes of one partition key are in one shard, in the order in
/// which they were made. (AWS promises that order for one item, and for one partition key by the shards' key ranges.)
/// A put that changes nothing is not in it.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>
///
/// The stream has this many shards when a run begins.
pub const SHARDS: u64 = 3;

/// A shard can split at any time; its children are read only when it has been read to its end.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html#Streams.Processing>,
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
pub const SHARDS_MAX: usize = 9;

/// Records stay for 24 hours.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html#Streams.DataRetention>
pub const STREAM_RETENTION_MS: u64 = 24 * 60 * 60 * 1_000;

// ---- The mapping from the stream to the relay

/// At most this many records an invocation (`BatchSize`), one invocation a shard at a time
/// (`ParallelizationFactor: 1`), records in the shard's order, only those that pass the mapping's filter.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html>,
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html>
pub const STREAM_BATCH_MAX: usize = 100;

/// A batch that failed comes again whole, after a pause, perhaps with more records, until it succeeds or its records
/// leave the stream (`MaximumRetryAttempts: -1`, `MaximumRecordAgeInSeconds: -1`).
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>
/// The page names no pauses: they are taken to double from the first to the last.
pub const STREAM_RETRY_MS: u64 = 1_000;
/// The longest of those pauses.
pub const STREAM_RETRY_MS_MAX: u64 = 60_000;
/// After this number of failures the simulator lets them grow on, up to the next: an outage of a day is one of few calls.
pub const STREAM_RETRIES_SHORT: u64 = 15;
/// The longest pause in a long outage.
pub const STREAM_RETRY_MS_LONG: u64 = 120 * 60_000;

/// The mapping delivers at least once: a batch that succeeded can come again, and so can some before it.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html>
pub const CHECKPOINT_BATCHES_LOST_MAX: u64 = 2;

/// The relay is stopped after this long (`RelayTimeoutSeconds`).
pub const RELAY_TIMEOUT_MS: u64 = 60_000;

// ---- FIFO queues

/// A message whose deduplication id came within five minutes in its group is taken but not stored, and the five
/// minutes run from the first (`DeduplicationScope: messageGroup`).
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>,
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html>
pub const DEDUPLICATION_MS: u64 = 5 * 60 * 1_000;

/// `SendMessageBatch` answers 200 and names each entry as sent or failed; ten entries at most.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
pub const SEND_ENTRIES_MAX: usize = 10;

/// A message has 1 MiB at most, and so has a whole batch.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const MESSAGE_BYTES_MAX: usize = 1_048_576;

/// Messages of a group are handed over in the order in which they were stored; while one is in flight, no later one
/// of its group is; a batch may hold several of one group.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html>
pub const QUEUE_BATCH_MAX: usize = 10;

/// A message that is not deleted is visible again after the visibility time-out: six times `OrdersTimeoutSeconds`.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html>
pub const VISIBILITY_MS: u64 = 180_000;

/// The orders function is stopped after this long (`OrdersTimeoutSeconds`).
pub const WORKER_TIMEOUT_MS: u64 = 30_000;

/// Copies of the orders function at once. The template allows more; more would not meet in more ways.
pub const WORKERS: u64 = 4;

/// After this number of receives (`maxReceiveCount`) a message goes to the dead letter queue; when faults are over, the
/// operator sends all of those back, in order.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html>
pub const RECEIVES_MAX: u32 = 5;

// ---- The mapping from the queue to the orders function

/// With `ReportBatchItemFailures`, messages that the function names stay in the queue and the others are deleted; when
/// it names none all are deleted; when the function fails none is.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
pub const FAILURES_ARE_REPORTED: bool = true;

// ---- Lambda

/// A process serves one invocation at a time and keeps its memory for the next one; when it dies, the next invocation
/// finds a new one with nothing in memory.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
pub const PROCESSES_ARE_REUSED: bool = true;

/// A caller of a function URL whose process dies gets 502.
/// <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>
pub const CRASH_STATUS: u16 = 502;
