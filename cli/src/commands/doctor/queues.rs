//! What waits in the queues, and what ended as dead letters.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;

use super::checkup::Figure;
use super::{Checkup, Finding, State, span};
use crate::context::Context;
use crate::terminal::error::Error;
use stack::aws::failed_for;
use stack::deployment::Queue;

/// Consumers that run ask their queue within this long, even if it is empty.
const READ_WITHIN: Duration = Duration::from_secs(60 * 60);
/// A figure of the last while.
const LATELY: Duration = Duration::from_secs(15 * 60);
const ORDERS_SECONDS_MAX: i64 = 5 * 60;
/// Messages that nobody has asked for in this long have no reader.
const SILENT_SECONDS: i64 = 60 * 60;
const WORK_SECONDS_ODD: i64 = 24 * 60 * 60;
/// Messages end by themselves after 14 days.
const WORK_SECONDS_MAX: i64 = 10 * WORK_SECONDS_ODD;

/// The queues by their names here.
const QUEUES: [(&str, Queue); 7] = [
    ("orders", Queue::Orders),
    ("work", Queue::Work),
    ("facts", Queue::Facts),
    ("relay dead letters", Queue::RelayDeadLetters),
    ("orders dead letters", Queue::OrdersDeadLetters),
    ("work dead letters", Queue::WorkDeadLetters),
    ("facts dead letters", Queue::FactsDeadLetters),
];

pub(super) async fn queues(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let deployment = checkup.deployment().await?;
    let there: Vec<_> =
        QUEUES.into_iter().filter_map(|(name, queue)| Some((name, queue, deployment.queue(queue)?))).collect();
    let figures: Vec<Figure> = there.iter().map(|(_, _, url)| age_of(url)).collect();
    let ages = checkup.figures(&figures, LATELY).await;
    let mut findings = Vec::new();
    if let Err(error) = &ages {
        findings.push(Finding::unknown(error.clone()).about("ages"));
    }
    let ages = ages.unwrap_or_default();
    let reads = reads(checkup, deployment.queue(Queue::Work)).await;
    for (number, (name, queue, url)) in there.iter().enumerate() {
        let age = ages.get(number).copied().flatten().map(seconds);
        let finding = match depth(checkup.context, url).await {
            Ok(messages) if *queue == Queue::Work => judge_work(messages, age, reads),
            Ok(messages) => judge(*queue, messages, age),
            Err(error) => Finding::unknown(error),
        };
        findings.push(finding.about(*name));
    }
    Ok(findings)
}

/// Returns the number of times that a queue was asked for messages within the last hour; `None` if CloudWatch has no
/// value.
async fn reads(checkup: &Checkup<'_>, url: Option<&str>) -> Option<i64> {
    let name = url?.rsplit('/').next()?.to_owned();
    let figure = |figure: &'static str| Figure {
        namespace: "AWS/SQS",
        name: figure,
        dimension: Some(("QueueName", name.clone())),
        statistic: "Sum",
    };
    let figures = [figure("NumberOfMessagesReceived"), figure("NumberOfEmptyReceives")];
    let found: Vec<f64> = checkup.figures(&figures, READ_WITHIN).await.ok()?.into_iter().flatten().collect();
    (!found.is_empty()).then(|| seconds(found.iter().sum()))
}

/// The work queue may have no reader at all, which its age shows only after a day.
fn judge_work(messages: u64, oldest_seconds: Option<i64>, reads: Option<i64>) -> Finding {
    let judged = judge(Queue::Work, messages, oldest_seconds);
    let waits_long = oldest_seconds.is_some_and(|age| age > SILENT_SECONDS);
    if judged.state != State::Ok || messages == 0 || reads.is_some_and(|reads| reads > 0) {
        return judged;
    }
    let next = "Messages end after 14 days; their events stay kept. Start a consumer of the queue, \
                or deploy with WorkQueueEnabled=false.";
    match (waits_long, reads, oldest_seconds) {
        (true, ..) => {
            Finding::warning(format!("{}, and nobody has asked for any within the last hour", judged.message))
                .next(next)
        }
        // The age comes minutes after the messages, and a local stack has no figures at all.
        (false, None, None) => Finding::notice(format!("{}, and no sign of a reader", judged.message)).next(next),
        (false, ..) => judged,
    }
}

fn age_of(url: &str) -> Figure {
    let name = url.rsplit('/').next().unwrap_or_default().to_owned();
    Figure {
        namespace: "AWS/SQS",
        name: "ApproximateAgeOfOldestMessage",
        dimension: Some(("QueueName", name)),
        statistic: "Maximum",
    }
}

/// A figure of seconds without its fraction; figures are small.
fn seconds(value: f64) -> i64 {
    i64::try_from(Duration::try_from_secs_f64(value.max(0.0)).unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

/// Returns the number of messages in a queue, those that somebody has received included.
pub(super) async fn depth(context: &Context, url: &str) -> Result<u64, Error> {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let sent =
        context.sqs().get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec())).send().await;
    let output = sent.map_err(|error| failed_for("sqs:GetQueueAttributes", "ask how long the queue is", &error))?;
    let count = |name: &QueueAttributeName| output.attributes()?.get(name)?.parse::<u64>().ok();
    Ok(names.iter().filter_map(count).sum())
}

fn judge(queue: Queue, messages: u64, oldest_seconds: Option<i64>) -> Finding {
    let oldest = oldest_seconds.filter(|_| messages > 0);
    let age = oldest.map(|seconds| format!(", the oldest {} old", span(seconds))).unwrap_or_default();
    let waits = match messages {
        0 => "empty".to_owned(),
        1 => format!("1 message{age}"),
        count => format!("{count} messages{age}"),
    };
    let given_up = |name: &str| match messages {
        0 => Finding::ok("none"),
        1 => Finding::problem(format!("1 dead letter{age}")).next(format!("hookmill dlq list --queue {name}")),
        count => {
            Finding::problem(format!("{count} dead letters{age}")).next(format!("hookmill dlq list --queue {name}"))
        }
    };
    match queue {
        Queue::RelayDeadLetters => given_up("relay"),
        Queue::OrdersDeadLetters => given_up("orders"),
        Queue::WorkDeadLetters => given_up("work"),
        Queue::FactsDeadLetters => given_up("facts"),
        Queue::Orders if oldest.is_some_and(|age| age > ORDERS_SECONDS_MAX) => Finding::problem(waits)
            .next("The order views are behind: read the log of the orders function; hookmill doctor --only mappings"),
        Queue::Facts if oldest.is_some_and(|age| age > WORK_SECONDS_MAX) => Finding::problem(waits).next(
            "Your consumers do not get there, and messages end after 14 days: hookmill orders show has each order's facts.",
        ),
        Queue::Facts if oldest.is_some_and(|age| age > WORK_SECONDS_ODD) => Finding::warning(waits)
            .next("Do your consumers run? If nobody reads it: deploy with FactsQueueEnabled=false."),
        Queue::Work | Queue::Extra if oldest.is_some_and(|age| age > WORK_SECONDS_MAX) => Finding::problem(waits).next(
            "Your consumers do not get there, and messages end after 14 days. They stay kept: hookmill replay sends \
             them again.",
        ),
        Queue::Work | Queue::Extra if oldest.is_some_and(|age| age > WORK_SECONDS_ODD) => Finding::warning(waits)
            .next("Do your consumers run? If nobody reads it: deploy with WorkQueueEnabled=false."),
        Queue::Orders | Queue::Work | Queue::Facts | Queue::Extra => Finding::ok(waits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_queue_without_a_reader_is_reported() {
        const HOUR: i64 = 60 * 60;
        for (messages, age, reads, state) in [
            (3, Some(2 * HOUR), None, State::Warning),
            (3, Some(2 * HOUR), Some(0), State::Warning),
            (3, Some(2 * HOUR), Some(9), State::Ok),
            (3, Some(60), None, State::Ok),
            (3, None, None, State::Notice),
            (3, None, Some(1), State::Ok),
            (0, None, None, State::Ok),
            (3, Some(300 * HOUR), Some(9), State::Problem),
        ] {
            let finding = judge_work(messages, age, reads);
            assert_eq!(finding.state, state, "{messages} {age:?} {reads:?}");
            assert_eq!(finding.next.is_none(), state == State::Ok);
        }
    }

    #[test]
    fn dead_letters_and_old_messages_are_told() {
        const DAY: i64 = 24 * 60 * 60;
        for (queue, messages, age, state) in [
            (Queue::RelayDeadLetters, 0, Some(9 * DAY), State::Ok),
            (Queue::RelayDeadLetters, 1, None, State::Problem),
            (Queue::WorkDeadLetters, 7, Some(60), State::Problem),
            (Queue::FactsDeadLetters, 1, Some(60), State::Problem),
            (Queue::Facts, 5, Some(60), State::Ok),
            (Queue::Facts, 5, Some(11 * DAY), State::Problem),
            (Queue::Orders, 50, Some(10), State::Ok),
            (Queue::Orders, 50, Some(600), State::Problem),
            (Queue::Work, 50, None, State::Ok),
            (Queue::Work, 50, Some(2 * DAY), State::Warning),
            (Queue::Work, 50, Some(11 * DAY), State::Problem),
            (Queue::Work, 0, Some(11 * DAY), State::Ok),
        ] {
            let finding = judge(queue, messages, age);
            assert_eq!(finding.state, state, "{queue:?} {messages} {age:?}");
            assert_eq!(finding.next.is_none(), state == State::Ok, "{queue:?} {messages} {age:?}");
        }
        assert!(judge(Queue::OrdersDeadLetters, 2, Some(3 * DAY)).message.contains("the oldest 3 days old"));
        assert_eq!(seconds(61.9), 61);
        assert_eq!(seconds(f64::NAN), 0);
    }
}
