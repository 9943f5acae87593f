//! `hookmill dlq`: what ended in a dead letter queue, and back with it.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, counted, dash};
use crate::terminal::time::instant;
use crate::work::ids;
use crate::work::selection::at_least_one;
use crate::work::selection::dead_letters;
use stack::dead_letters::{DeadLetter, DeadLetters, Says};

pub mod redrive;

/// Commands about dead letters.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List dead letters with their queue, age, reason and event
    List(DeadLetterListArgs),
    /// Show one dead letter, its content and what to do about it
    Show(DeadLetterShowArgs),
    /// Send dead letters back to their queues: a dry run without --yes
    Redrive(redrive::RedriveArgs),
}

#[derive(Debug, Clone, Args)]
pub struct DeadLetterListArgs {
    /// Only this dead letter queue; may be repeated
    #[arg(long = "queue", value_name = "QUEUE", value_parser = dead_letters())]
    pub queues: Vec<DeadLetters>,
    /// Greatest number from each queue
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
    pub limit: usize,
}

#[derive(Debug, Clone, Args)]
pub struct DeadLetterShowArgs {
    /// The dead letter's id, or its event's, as listed; any unique beginning will do
    pub id: String,
    /// Look in this dead letter queue only
    #[arg(long = "queue", value_name = "QUEUE", value_parser = dead_letters())]
    pub queues: Vec<DeadLetters>,
}

#[derive(Debug, Clone, Serialize)]
pub struct DeadLetterLine {
    pub queue: DeadLetters,
    /// The queue's name for it.
    #[serde(rename = "letter")]
    pub dead_letter: String,
    /// When it was put there.
    pub since: Option<String>,
    pub age_seconds: Option<i64>,
    /// The number of times that it was received.
    pub receives: u32,
    /// `event`, `parked`, `stretch` or `unknown`.
    pub kind: &'static str,
    /// The reason for which it is there, as far as it is known.
    pub reason: String,
    /// The event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A dead letter in full.
#[derive(Debug, Clone, Serialize)]
pub struct ShownDeadLetter {
    /// In short.
    #[serde(flatten)]
    pub line: DeadLetterLine,
    /// The FIFO group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The next step.
    pub next: String,
    /// Its content.
    pub body: String,
}

pub async fn run(context: &Context, command: Dlq) -> Result<Exit, Error> {
    match command {
        Dlq::List(args) => list(context, &args).await,
        Dlq::Show(args) => show(context, &args).await,
        Dlq::Redrive(args) => redrive::run(context, args).await,
    }
}

/// Returns the queues that were named, or all.
pub fn chosen(queues: &[DeadLetters]) -> Vec<DeadLetters> {
    DeadLetters::ALL.into_iter().filter(|queue| queues.is_empty() || queues.contains(queue)).collect()
}

async fn list(context: &Context, args: &DeadLetterListArgs) -> Result<Exit, Error> {
    let dead_letters = stack::dead_letters::look(context, &chosen(&args.queues), args.limit).await?;
    let now_ms = context.clock.now_ms();
    let lines: Vec<DeadLetterLine> =
        dead_letters.iter().map(|dead_letter| DeadLetterLine::of(dead_letter, now_ms)).collect();
    context.output.list(&lines, &COLUMNS, cells)?;
    context.output.note(&match lines.len() {
        0 => "There are no dead letters.".to_owned(),
        count => counted(count, "dead letter"),
    });
    Ok(Exit::Ok)
}

async fn show(context: &Context, args: &DeadLetterShowArgs) -> Result<Exit, Error> {
    let all = stack::dead_letters::look(context, &chosen(&args.queues), usize::MAX).await?;
    let found = ids::dead_letters(&all, &args.id)?;
    let Some(&one) = found.first() else { return Ok(Exit::Ok) };
    let shown = ShownDeadLetter {
        line: DeadLetterLine::of(one, context.clock.now_ms()),
        group: one.group.clone(),
        next: context.output.hint(&next(one)),
        body: one.body.clone(),
    };
    context.output.print(&shown, shown_text)?;
    Ok(Exit::Ok)
}

impl DeadLetterLine {
    pub fn of(dead_letter: &DeadLetter, now_ms: i64) -> Self {
        let (kind, reason) = match &dead_letter.says {
            Says::Event { event_type, .. } => ("event", format!("its consumer failed at {event_type}")),
            Says::Parked { reason, .. } => ("parked", reason.clone()),
            Says::Stretch { reason, .. } => ("stretch", format!("a stretch of the stream: {reason}")),
            Says::Unknown => ("unknown", "not of the stack's own making".to_owned()),
        };
        DeadLetterLine {
            queue: dead_letter.from,
            dead_letter: dead_letter.message_id.clone(),
            since: dead_letter.sent_ms.map(instant),
            age_seconds: dead_letter.sent_ms.map(|sent_ms| now_ms.saturating_sub(sent_ms) / 1_000),
            receives: dead_letter.receives,
            kind,
            reason,
            id: dead_letter.says.event_id().map(str::to_owned),
        }
    }
}

/// Returns the next step for a dead letter.
pub fn next(dead_letter: &DeadLetter) -> String {
    let from = dead_letter.from.name();
    match &dead_letter.says {
        Says::Event { .. } | Says::Parked { .. } => {
            format!(
                "Once its cause is fixed: hookmill dlq redrive --queue {from} --letter {} --yes",
                dead_letter.message_id
            )
        }
        Says::Stretch { first, last, .. } => format!(
            "Its events are kept. Received about {} to {}: hookmill replay --from … --to … --queue orders --queue work",
            first.as_deref().unwrap_or("an unknown time"),
            last.as_deref().unwrap_or("an unknown time"),
        ),
        Says::Unknown => "Look at who wrote it: the stack does not send such messages.".to_owned(),
    }
}

fn age(seconds: Option<i64>) -> String {
    match seconds {
        None => "–".to_owned(),
        Some(seconds @ ..120) => format!("{seconds}s"),
        Some(seconds @ 120..7_200) => format!("{}m", seconds / 60),
        Some(seconds @ 7_200..172_800) => format!("{}h", seconds / 3_600),
        Some(seconds) => format!("{}d", seconds / 86_400),
    }
}

const COLUMNS: [&str; 6] = ["queue", "age", "taken", "letter", "reason", "event"];

fn cells(line: &DeadLetterLine, paint: Paint) -> Vec<String> {
    let (queue, receives) = (line.queue.name().to_owned(), line.receives.to_string());
    let (reason, id) = (paint.odd(&line.reason), dash(line.id.as_deref()));
    vec![queue, age(line.age_seconds), receives, line.dead_letter.clone(), reason, id]
}

fn shown_text(shown: &ShownDeadLetter, paint: Paint) -> String {
    let line = &shown.line;
    let mut lines = vec![paint.bold(&line.dead_letter)];
    let mut row = |name: &str, value: &str| lines.push(format!("  {}  {value}", paint.dim(&format!("{name:<6}"))));
    row("queue", line.queue.name());
    row("since", line.since.as_deref().unwrap_or("–"));
    row("taken", &line.receives.to_string());
    row("reason", &line.reason);
    line.id.iter().for_each(|id| row("event", id));
    shown.group.iter().for_each(|group| row("group", group));
    row("next", &shown.next);
    let json =
        serde_json::from_str::<serde_json::Value>(&shown.body).and_then(|json| serde_json::to_string_pretty(&json));
    format!("{}\n\n{}", lines.join("\n"), json.unwrap_or_else(|_| shown.body.clone()))
}
