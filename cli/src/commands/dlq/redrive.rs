//! `hookmill dlq redrive`.
//!
//! SQS can move dead letters, but not those that only name an event, and not on the local stack. So a dead letter is
//! taken, sent, and deleted only when the queue has it: a failure in between leaves the dead letter where it lies. Its
//! deduplication id is made of its own id, so a second try within five minutes sends nothing twice.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use clap::Args;
use edge::aws::queue::{QueueMessage, Unsent, deduplication_of, send_all};
use serde::Serialize;
use webhook::claim::EventKey;
use webhook::event::Event;
use webhook::providers::Provider;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, table};
use crate::work::ids;
use crate::work::selection::dead_letters;
use stack::aws::of_failure;
use stack::dead_letters::{DeadLetter, DeadLetters, Says, delete, look, release, take};
use stack::destination::Destination;
use stack::history::{KeptEvent, fetch};

/// Dead letters are hidden this long while they are sent and deleted, and no call begins when less than a third is left.
const HIDDEN_SECONDS: i32 = 60;
const SENDING_MS_MAX: i64 = 40_000;

/// Arguments of `dlq redrive`.
#[derive(Debug, Clone, Args)]
pub struct RedriveArgs {
    /// The dead letter queue
    #[arg(long = "queue", value_name = "QUEUE", value_parser = dead_letters(), required = true)]
    pub queue: DeadLetters,
    /// Only this dead letter, by its id or its event's or a unique beginning; may be repeated
    #[arg(long = "letter", value_name = "ID")]
    pub dead_letters: Vec<String>,
    /// Send; without it, only report what would be sent
    #[arg(long)]
    pub yes: bool,
}

/// What became of a dead letter, or would.
#[derive(Debug, Clone, Serialize)]
pub struct RedrivenLine {
    /// The dead letter.
    #[serde(rename = "letter")]
    pub dead_letter: String,
    /// Its event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Destination>,
    /// `due` in a dry run; `sent`; `kept`, where it still lies in its queue; `erased` or `disowned`, where its event was: it
    /// is deleted and not sent, in a dry run it would be.
    pub outcome: &'static str,
    /// The reason for which it is kept or deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The fate of a dead letter.
enum DeadLetterFate {
    /// It is sent, there and as this.
    Goes(Destination, QueueMessage),
    /// It stays, for this reason.
    Stays(String),
    /// It is deleted, since its event is sent nowhere any more.
    Ends(Ending),
}

/// A reason for which a dead letter is deleted and not sent.
#[derive(Clone, Copy)]
enum Ending {
    /// Its event was erased, and it still holds what the event said.
    Erased,
    /// Its event was disowned.
    Disowned,
}

impl Ending {
    fn outcome(self) -> &'static str {
        match self {
            Ending::Erased => "erased",
            Ending::Disowned => "disowned",
        }
    }

    fn reason(self) -> String {
        format!("its event was {}", self.outcome())
    }
}

/// A redrive under way.
struct Redrive<'a> {
    context: &'a Context,
    client: aws_sdk_sqs::Client,
    args: &'a RedriveArgs,
    /// The dead letters that were named, by the queue's names for them; `None` for all.
    named: Option<BTreeSet<String>>,
    url: &'a str,
    urls: BTreeMap<Destination, String>,
    /// Groups of which an earlier dead letter stays: the later ones stay too.
    stopped: HashSet<String>,
    lines: Vec<RedrivenLine>,
}

/// Redrives dead letters.
pub async fn run(context: &Context, args: RedriveArgs) -> Result<Exit, Error> {
    let deployment = context.deployment().await?;
    let url = args.queue.url(deployment)?.ok_or_else(|| {
        Error::deployment(format!("the stack {} has no {} queue", deployment.stack(), args.queue.name()))
            .next("It was deployed without the queue that these dead letters would come from.")
    })?;
    let named = named(context, &args).await?;
    let all = Destination::ALL.into_iter().chain([Destination::Facts]);
    let urls = all.filter_map(|to| Some((to, to.url(deployment).ok()?.to_owned()))).collect();
    let (stopped, lines) = (HashSet::new(), Vec::new());
    let mut redrive = Redrive { context, client: context.sqs(), args: &args, named, url, urls, stopped, lines };
    let ended = if args.yes { redrive.all().await } else { redrive.none().await };
    if ended.is_ok() {
        redrive.missed();
    }
    context.output.print_all(&redrive.lines, text)?;
    let count = |outcome: &str| redrive.lines.iter().filter(|line| line.outcome == outcome).count();
    let deleted = count("erased") + count("disowned");
    context.output.note(&match (args.yes, count("due")) {
        (true, _) if deleted > 0 => format!("{} sent, {} kept, {deleted} deleted", count("sent"), count("kept")),
        (true, _) => format!("{} sent, {} kept", count("sent"), count("kept")),
        (false, _) if redrive.lines.is_empty() => "Nothing is to be sent.".to_owned(),
        (false, due) if deleted > 0 => {
            format!("Nothing was sent. {due} would be, {} would be kept, {deleted} deleted: add --yes", count("kept"))
        }
        (false, 0) => format!("Nothing was sent. None would be; {} would be kept.", count("kept")),
        (false, due) => format!("Nothing was sent. {due} would be, {} would be kept: add --yes", count("kept")),
    });
    ended?;
    Ok(if count("kept") > 0 { Exit::Problems } else { Exit::Ok })
}

/// Returns the dead letters that the command line names. An id that names none is an error before anything is sent.
async fn named(context: &Context, args: &RedriveArgs) -> Result<Option<BTreeSet<String>>, Error> {
    if args.dead_letters.is_empty() {
        return Ok(None);
    }
    let all = look(context, &[args.queue], usize::MAX).await?;
    let mut named = BTreeSet::new();
    for id in &args.dead_letters {
        named.extend(ids::dead_letters(&all, id)?.into_iter().map(|one| one.message_id.clone()));
    }
    Ok(Some(named))
}

impl Redrive<'_> {
    /// Reports the dead letters that were named and did not come, which somebody else has taken since.
    fn missed(&mut self) {
        let met: HashSet<&str> = self.lines.iter().map(|line| line.dead_letter.as_str()).collect();
        let missed = self.named.iter().flatten().filter(|id| !met.contains(id.as_str()));
        let reason = Some("it is held by a consumer: try again".to_owned());
        let line = |id: &String| RedrivenLine {
            dead_letter: id.clone(),
            id: None,
            to: None,
            outcome: "kept",
            reason: reason.clone(),
        };
        let missed: Vec<RedrivenLine> = missed.map(line).collect();
        self.lines.extend(missed);
    }

    /// Only tells what would be done.
    async fn none(&mut self) -> Result<(), Error> {
        for dead_letter in look(self.context, &[self.args.queue], usize::MAX).await? {
            if !self.means(&dead_letter) {
                continue;
            }
            let (outcome, to, reason) = match self.fate(&dead_letter).await? {
                DeadLetterFate::Goes(to, _) => ("due", Some(to), None),
                DeadLetterFate::Stays(reason) => ("kept", None, Some(reason)),
                DeadLetterFate::Ends(ending) => (ending.outcome(), None, Some(ending.reason())),
            };
            self.report(&dead_letter, to, outcome, reason);
        }
        Ok(())
    }

    /// Takes, sends and deletes until the queue has no more to give; what stays is let go at the end.
    async fn all(&mut self) -> Result<(), Error> {
        let (mut staying, mut seen): (Vec<DeadLetter>, HashSet<String>) = Default::default();
        let ended = loop {
            let dead_letters = match take(&self.client, self.args.queue, self.url, HIDDEN_SECONDS).await {
                Ok(dead_letters) => dead_letters,
                Err(error) => break Err(error),
            };
            // One that comes again has become visible in the meantime: the round is over.
            let fresh = dead_letters.iter().filter(|dead_letter| seen.insert(dead_letter.message_id.clone())).count();
            let ended = fresh == 0;
            let sent = if ended {
                staying.extend(dead_letters);
                Ok(())
            } else {
                self.some(dead_letters, &mut staying).await
            };
            if ended || sent.is_err() {
                break sent;
            }
        };
        release(&self.client, self.url, &staying).await;
        ended
    }

    /// Sends and deletes dead letters that were taken.
    async fn some(&mut self, dead_letters: Vec<DeadLetter>, staying: &mut Vec<DeadLetter>) -> Result<(), Error> {
        let deadline_ms = self.context.clock.now_ms().saturating_add(SENDING_MS_MAX);
        let mut going: BTreeMap<Destination, Vec<(DeadLetter, QueueMessage)>> = BTreeMap::new();
        let mut ending = Vec::new();
        let mut failure = None;
        for dead_letter in dead_letters {
            if failure.is_some() {
                staying.push(dead_letter);
                continue;
            }
            let behind = dead_letter.group.as_ref().is_some_and(|group| self.stopped.contains(group));
            // Whatever is not meant stays, and so does what lies behind it in its order.
            let fate = match (self.means(&dead_letter), behind) {
                (true, false) => self.fate(&dead_letter).await,
                (true, true) => Ok(DeadLetterFate::Stays("an earlier dead letter of its order stays".to_owned())),
                (false, _) => Ok(DeadLetterFate::Stays(String::new())),
            };
            match fate {
                Ok(DeadLetterFate::Goes(to, message)) => going.entry(to).or_default().push((dead_letter, message)),
                Ok(DeadLetterFate::Ends(why)) => ending.push((dead_letter, why)),
                Ok(DeadLetterFate::Stays(reason)) => {
                    if !reason.is_empty() {
                        self.report(&dead_letter, None, "kept", Some(reason));
                    }
                    self.stop(&dead_letter);
                    staying.push(dead_letter);
                }
                Err(error) => {
                    failure = Some(error);
                    staying.push(dead_letter);
                }
            }
        }
        self.end(ending).await;
        for (to, some) in going {
            let known = match failure.is_none() {
                true => self.send(to, some, deadline_ms, staying).await,
                false => {
                    staying.extend(some.into_iter().map(|(dead_letter, _)| dead_letter));
                    Ok(())
                }
            };
            failure = failure.or(known.err());
        }
        failure.map_or(Ok(()), Err)
    }

    async fn send(
        &mut self,
        to: Destination,
        some: Vec<(DeadLetter, QueueMessage)>,
        deadline_ms: i64,
        staying: &mut Vec<DeadLetter>,
    ) -> Result<(), Error> {
        let (dead_letters, messages): (Vec<DeadLetter>, Vec<QueueMessage>) = some.into_iter().unzip();
        let url = self.urls.get(&to).cloned().unwrap_or_default();
        let unsent = send_all(&self.client, &url, messages, &self.context.clock, deadline_ms).await;
        let reasons: HashMap<&str, String> =
            unsent.iter().map(|Unsent { name, failure, .. }| (name.as_str(), failure.to_string())).collect();
        let is_sent = |dead_letter: &DeadLetter| !reasons.contains_key(dead_letter.message_id.as_str());
        let (sent, kept): (Vec<DeadLetter>, Vec<DeadLetter>) = dead_letters.into_iter().partition(is_sent);
        let undeleted = delete(&self.client, self.url, &sent).await;
        for dead_letter in &sent {
            match undeleted.get(&dead_letter.message_id) {
                None => self.report(dead_letter, Some(to), "sent", None),
                Some(reason) => {
                    let reason = format!("it was sent, but the dead letter cannot be deleted: {reason}");
                    self.report(dead_letter, Some(to), "kept", Some(reason));
                }
            }
        }
        for dead_letter in &kept {
            let reason = reasons.get(dead_letter.message_id.as_str()).cloned().unwrap_or_default();
            self.report(dead_letter, Some(to), "kept", Some(reason));
            self.stop(dead_letter);
        }
        let nothing_went = sent.is_empty();
        staying.extend(kept);
        match unsent.first().filter(|_| nothing_went) {
            None => Ok(()),
            Some(first) => Err(of_failure(&format!("send to the {} queue", to.name()), &first.failure)),
        }
    }

    /// Deletes dead letters of events that are sent nowhere any more.
    async fn end(&mut self, ending: Vec<(DeadLetter, Ending)>) {
        let (dead_letters, endings): (Vec<DeadLetter>, Vec<Ending>) = ending.into_iter().unzip();
        let undeleted = delete(&self.client, self.url, &dead_letters).await;
        for (dead, ending) in dead_letters.iter().zip(endings) {
            let (outcome, reason) = match undeleted.get(&dead.message_id) {
                None => (ending.outcome(), ending.reason()),
                Some(reason) => {
                    ("kept", format!("{}, but the dead letter cannot be deleted: {reason}", ending.reason()))
                }
            };
            self.report(dead, None, outcome, Some(reason));
        }
    }

    async fn fate(&self, dead: &DeadLetter) -> Result<DeadLetterFate, Error> {
        let (to, message) = match (&dead.says, self.args.queue.comes_from()) {
            (Says::Event { id, .. }, Some(to)) => {
                let key = EventKey::from_id(id);
                let group = dead.group.clone().or(key.map(|key| edge::aws::queue::group_of(&key.pk)));
                let Some(group) = group else { return Ok(DeadLetterFate::Stays("it has no group".to_owned())) };
                if let Some(ending) = self.ending(dead).await? {
                    return Ok(DeadLetterFate::Ends(ending));
                }
                let (body, bare_body) = (dead.body.clone(), dead.body.clone());
                (to, QueueMessage { name: String::new(), group, deduplication: String::new(), body, bare_body })
            }
            (Says::Parked { queue_url, id, .. }, _) => {
                let Some(to) = self.urls.iter().find(|(_, url)| *url == queue_url).map(|(to, _)| *to) else {
                    return Ok(DeadLetterFate::Stays(format!("the stack has no queue {queue_url}")));
                };
                match self.parked(id).await? {
                    Ok(message) => (to, message),
                    Err(fate) => return Ok(fate),
                }
            }
            (Says::Stretch { .. }, _) => {
                return Ok(DeadLetterFate::Stays("it names no events: see hookmill dlq show".to_owned()));
            }
            (Says::Event { .. }, None) | (Says::Unknown, _) => {
                return Ok(DeadLetterFate::Stays("it is not of the stack's own making".to_owned()));
            }
        };
        let deduplication = deduplication_of(&format!("redrive/{}", dead.message_id));
        Ok(DeadLetterFate::Goes(to, QueueMessage { name: dead.message_id.clone(), deduplication, ..message }))
    }

    /// Returns why the event that a dead letter holds is sent nowhere any more, if that is so; of a correction, the event
    /// that it corrects.
    async fn ending(&self, dead: &DeadLetter) -> Result<Option<Ending>, Error> {
        let Ok(event) = serde_json::from_str::<Event>(&dead.body) else { return Ok(None) };
        let Some(key) = EventKey::from_id(event.correctionof.as_ref().unwrap_or(&event.id)) else { return Ok(None) };
        Ok(match fetch(self.context, &[key]).await?.first() {
            Some(kept) if kept.is_disowned() => Some(Ending::Disowned),
            Some(kept) if kept.is_erased() => Some(Ending::Erased),
            Some(_) | None => None,
        })
    }

    /// The message of an event that the relay parked, or the fate of its dead letter.
    async fn parked(&self, id: &str) -> Result<Result<QueueMessage, DeadLetterFate>, Error> {
        let stays = |reason: String| Ok(Err(DeadLetterFate::Stays(reason)));
        let Some(key) = EventKey::from_id(id).filter(|key| Provider::of(key).is_some()) else {
            return stays(format!("{id} is no event's id"));
        };
        match fetch(self.context, std::slice::from_ref(&key)).await?.first() {
            None => stays(format!("no event {id} is kept any more")),
            Some(KeptEvent { damage: Some(damage), .. }) => {
                stays(format!("the row of {id} cannot be read by this build: {}", damage.reason))
            }
            Some(kept) if kept.is_disowned() => Ok(Err(DeadLetterFate::Ends(Ending::Disowned))),
            Some(kept) if kept.is_bodiless() => stays(format!("the body of {id} is no longer kept")),
            Some(kept) => Ok(Ok(QueueMessage::of(&kept.event, &key.pk))),
        }
    }

    fn means(&self, dead_letter: &DeadLetter) -> bool {
        self.named.as_ref().is_none_or(|named| named.contains(&dead_letter.message_id))
    }

    fn stop(&mut self, dead_letter: &DeadLetter) {
        self.stopped.extend(dead_letter.group.clone());
    }

    fn report(
        &mut self,
        dead_letter: &DeadLetter,
        to: Option<Destination>,
        outcome: &'static str,
        reason: Option<String>,
    ) {
        let id = dead_letter.says.event_id().map(str::to_owned);
        let reason = reason.map(|reason| self.context.output.hint(&reason));
        self.lines.push(RedrivenLine { dead_letter: dead_letter.message_id.clone(), id, to, outcome, reason });
    }
}

fn text(lines: &[RedrivenLine], paint: Paint) -> String {
    let row = |line: &RedrivenLine| {
        let outcome = if line.outcome == "kept" { paint.bad(line.outcome) } else { paint.good(line.outcome) };
        let to = line.to.map_or("–", Destination::name).to_owned();
        let id = line.id.clone().unwrap_or_else(|| "–".to_owned());
        vec![outcome, to, line.dead_letter.clone(), id, line.reason.clone().unwrap_or_default()]
    };
    table(&["outcome", "to", "letter", "event", "reason"], &lines.iter().map(row).collect::<Vec<_>>(), paint)
}
