//! `hookmill dlq redrive`.
//!
//! SQS has a call that moves dead letters, but not for letters that only name an event, and not on the local stack. So
//! a letter is taken, sent, and deleted only when the queue has it: what fails in between leaves the letter where it
//! lies. Its deduplication id is made of the letter's own, so a second try within five minutes sends nothing twice.

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
use stack::dead_letters::{DeadLetters, Letter, Says, delete, let_go, look, take};
use stack::destination::Destination;
use stack::history::{KeptEvent, fetch};

/// Letters are hidden this long while they are sent and deleted, and no call begins when less than a third is left.
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
    pub letters: Vec<String>,
    /// Send; without it, only report what would be sent
    #[arg(long)]
    pub yes: bool,
}

/// What became of a letter, or would.
#[derive(Debug, Clone, Serialize)]
pub struct RedrivenLine {
    /// The letter.
    pub letter: String,
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
enum LetterFate {
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
    /// Groups of which an earlier letter stays: the later ones stay too.
    stopped: HashSet<String>,
    lines: Vec<RedrivenLine>,
}

/// Redrives dead letters.
pub async fn run(context: &Context, args: RedriveArgs) -> Result<Exit, Error> {
    let deployment = context.deployment().await?;
    let url = args.queue.url(deployment)?.ok_or_else(|| {
        Error::deployment(format!("the stack {} has no {} queue", deployment.stack(), args.queue.name()))
            .next("It was deployed without WorkQueue.")
    })?;
    let named = named(context, &args).await?;
    let all = [Destination::Work, Destination::Orders, Destination::Extra];
    let urls = all.into_iter().filter_map(|to| Some((to, to.url(deployment).ok()?.to_owned()))).collect();
    let (stopped, lines) = (HashSet::new(), Vec::new());
    let mut redrive = Redrive { context, client: context.sqs(), args: &args, named, url, urls, stopped, lines };
    let ended = if args.yes { redrive.all().await } else { redrive.none().await };
    if ended.is_ok() {
        redrive.missed();
    }
    context.output.tell_all(&redrive.lines, text)?;
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
    if args.letters.is_empty() {
        return Ok(None);
    }
    let all = look(context, &[args.queue], usize::MAX).await?;
    let mut named = BTreeSet::new();
    for id in &args.letters {
        named.extend(ids::dead_letters(&all, id)?.into_iter().map(|one| one.message_id.clone()));
    }
    Ok(Some(named))
}

impl Redrive<'_> {
    /// Reports the dead letters that were named and did not come, which somebody else has taken since.
    fn missed(&mut self) {
        let met: HashSet<&str> = self.lines.iter().map(|line| line.letter.as_str()).collect();
        let missed = self.named.iter().flatten().filter(|id| !met.contains(id.as_str()));
        let reason = Some("it is held by a consumer: try again".to_owned());
        let line = |id: &String| RedrivenLine {
            letter: id.clone(),
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
        for letter in look(self.context, &[self.args.queue], usize::MAX).await? {
            if !self.means(&letter) {
                continue;
            }
            let (outcome, to, reason) = match self.fate(&letter).await? {
                LetterFate::Goes(to, _) => ("due", Some(to), None),
                LetterFate::Stays(reason) => ("kept", None, Some(reason)),
                LetterFate::Ends(ending) => (ending.outcome(), None, Some(ending.reason())),
            };
            self.report(&letter, to, outcome, reason);
        }
        Ok(())
    }

    /// Takes, sends and deletes until the queue has no more to give; what stays is let go at the end.
    async fn all(&mut self) -> Result<(), Error> {
        let (mut staying, mut seen): (Vec<Letter>, HashSet<String>) = Default::default();
        let ended = loop {
            let letters = match take(&self.client, self.args.queue, self.url, HIDDEN_SECONDS).await {
                Ok(letters) => letters,
                Err(error) => break Err(error),
            };
            // One that comes again has become visible in the meantime: the round is over.
            let fresh = letters.iter().filter(|letter| seen.insert(letter.message_id.clone())).count();
            let ended = fresh == 0;
            let sent = if ended {
                staying.extend(letters);
                Ok(())
            } else {
                self.some(letters, &mut staying).await
            };
            if ended || sent.is_err() {
                break sent;
            }
        };
        let_go(&self.client, self.url, &staying).await;
        ended
    }

    /// Sends and deletes letters that were taken.
    async fn some(&mut self, letters: Vec<Letter>, staying: &mut Vec<Letter>) -> Result<(), Error> {
        let deadline_ms = self.context.clock.now_ms().saturating_add(SENDING_MS_MAX);
        let mut going: BTreeMap<Destination, Vec<(Letter, QueueMessage)>> = BTreeMap::new();
        let mut ending = Vec::new();
        let mut failure = None;
        for letter in letters {
            if failure.is_some() {
                staying.push(letter);
                continue;
            }
            let behind = letter.group.as_ref().is_some_and(|group| self.stopped.contains(group));
            // Whatever is not meant stays, and so does what lies behind it in its order.
            let fate = match (self.means(&letter), behind) {
                (true, false) => self.fate(&letter).await,
                (true, true) => Ok(LetterFate::Stays("an earlier letter of its order stays".to_owned())),
                (false, _) => Ok(LetterFate::Stays(String::new())),
            };
            match fate {
                Ok(LetterFate::Goes(to, message)) => going.entry(to).or_default().push((letter, message)),
                Ok(LetterFate::Ends(why)) => ending.push((letter, why)),
                Ok(LetterFate::Stays(reason)) => {
                    if !reason.is_empty() {
                        self.report(&letter, None, "kept", Some(reason));
                    }
                    self.stop(&letter);
                    staying.push(letter);
                }
                Err(error) => {
                    failure = Some(error);
                    staying.push(letter);
                }
            }
        }
        self.end(ending).await;
        for (to, some) in going {
            let told = match failure.is_none() {
                true => self.send(to, some, deadline_ms, staying).await,
                false => {
                    staying.extend(some.into_iter().map(|(letter, _)| letter));
                    Ok(())
                }
            };
            failure = failure.or(told.err());
        }
        failure.map_or(Ok(()), Err)
    }

    async fn send(
        &mut self,
        to: Destination,
        some: Vec<(Letter, QueueMessage)>,
        deadline_ms: i64,
        staying: &mut Vec<Letter>,
    ) -> Result<(), Error> {
        let (letters, messages): (Vec<Letter>, Vec<QueueMessage>) = some.into_iter().unzip();
        let url = self.urls.get(&to).cloned().unwrap_or_default();
        let unsent = send_all(&self.client, &url, messages, &self.context.clock, deadline_ms).await;
        let reasons: HashMap<&str, String> =
            unsent.iter().map(|Unsent { name, failure, .. }| (name.as_str(), failure.to_string())).collect();
        let is_sent = |letter: &Letter| !reasons.contains_key(letter.message_id.as_str());
        let (sent, kept): (Vec<Letter>, Vec<Letter>) = letters.into_iter().partition(is_sent);
        let undeleted = delete(&self.client, self.url, &sent).await;
        for letter in &sent {
            match undeleted.get(&letter.message_id) {
                None => self.report(letter, Some(to), "sent", None),
                Some(reason) => {
                    let reason = format!("it was sent, but its letter cannot be deleted: {reason}");
                    self.report(letter, Some(to), "kept", Some(reason));
                }
            }
        }
        for letter in &kept {
            let reason = reasons.get(letter.message_id.as_str()).cloned().unwrap_or_default();
            self.report(letter, Some(to), "kept", Some(reason));
            self.stop(letter);
        }
        let nothing_went = sent.is_empty();
        staying.extend(kept);
        match unsent.first().filter(|_| nothing_went) {
            None => Ok(()),
            Some(first) => Err(of_failure(&format!("send to the {} queue", to.name()), &first.failure)),
        }
    }

    /// Deletes dead letters of events that are sent nowhere any more.
    async fn end(&mut self, ending: Vec<(Letter, Ending)>) {
        let (dead_letters, endings): (Vec<Letter>, Vec<Ending>) = ending.into_iter().unzip();
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

    async fn fate(&self, dead: &Letter) -> Result<LetterFate, Error> {
        let (to, message) = match (&dead.says, self.args.queue.comes_from()) {
            (Says::Event { id, .. }, Some(to)) => {
                let key = EventKey::from_id(id);
                let group = dead.group.clone().or(key.map(|key| edge::aws::queue::group_of(&key.pk)));
                let Some(group) = group else { return Ok(LetterFate::Stays("it has no group".to_owned())) };
                if let Some(ending) = self.ending(dead).await? {
                    return Ok(LetterFate::Ends(ending));
                }
                let (body, bare_body) = (dead.body.clone(), dead.body.clone());
                (to, QueueMessage { name: String::new(), group, deduplication: String::new(), body, bare_body })
            }
            (Says::Parked { queue_url, id, .. }, _) => {
                let Some(to) = self.urls.iter().find(|(_, url)| *url == queue_url).map(|(to, _)| *to) else {
                    return Ok(LetterFate::Stays(format!("the stack has no queue {queue_url}")));
                };
                match self.parked(id).await? {
                    Ok(message) => (to, message),
                    Err(fate) => return Ok(fate),
                }
            }
            (Says::Stretch { .. }, _) => {
                return Ok(LetterFate::Stays("it names no events: see hookmill dlq show".to_owned()));
            }
            (Says::Event { .. }, None) | (Says::Unknown, _) => {
                return Ok(LetterFate::Stays("it is not of the stack's own making".to_owned()));
            }
        };
        let deduplication = deduplication_of(&format!("redrive/{}", dead.message_id));
        Ok(LetterFate::Goes(to, QueueMessage { name: dead.message_id.clone(), deduplication, ..message }))
    }

    /// Returns why the event that a dead letter holds is sent nowhere any more, if that is so; of a correction, the event
    /// that it corrects.
    async fn ending(&self, dead: &Letter) -> Result<Option<Ending>, Error> {
        let Ok(event) = serde_json::from_str::<Event>(&dead.body) else { return Ok(None) };
        let Some(key) = EventKey::from_id(event.correctionof.as_ref().unwrap_or(&event.id)) else { return Ok(None) };
        Ok(match fetch(self.context, &[key]).await?.first() {
            Some(kept) if kept.is_disowned() => Some(Ending::Disowned),
            Some(kept) if kept.is_erased() => Some(Ending::Erased),
            Some(_) | None => None,
        })
    }

    /// The message of an event that the relay parked, or the fate of its dead letter.
    async fn parked(&self, id: &str) -> Result<Result<QueueMessage, LetterFate>, Error> {
        let stays = |reason: String| Ok(Err(LetterFate::Stays(reason)));
        let Some(key) = EventKey::from_id(id).filter(|key| Provider::of(key).is_some()) else {
            return stays(format!("{id} is no event's id"));
        };
        match fetch(self.context, std::slice::from_ref(&key)).await?.first() {
            None => stays(format!("no event {id} is kept any more")),
            Some(KeptEvent { damage: Some(damage), .. }) => {
                stays(format!("the row of {id} cannot be read by this build: {}", damage.reason))
            }
            Some(kept) if kept.is_disowned() => Ok(Err(LetterFate::Ends(Ending::Disowned))),
            Some(kept) if kept.is_bodiless() => stays(format!("the body of {id} is no longer kept")),
            Some(kept) => Ok(Ok(QueueMessage::of(&kept.event, &key.pk))),
        }
    }

    fn means(&self, letter: &Letter) -> bool {
        self.named.as_ref().is_none_or(|named| named.contains(&letter.message_id))
    }

    fn stop(&mut self, letter: &Letter) {
        self.stopped.extend(letter.group.clone());
    }

    fn report(&mut self, letter: &Letter, to: Option<Destination>, outcome: &'static str, reason: Option<String>) {
        let id = letter.says.event_id().map(str::to_owned);
        let reason = reason.map(|reason| self.context.output.hint(&reason));
        self.lines.push(RedrivenLine { letter: letter.message_id.clone(), id, to, outcome, reason });
    }
}

fn text(lines: &[RedrivenLine], paint: Paint) -> String {
    let row = |line: &RedrivenLine| {
        let outcome = if line.outcome == "kept" { paint.bad(line.outcome) } else { paint.good(line.outcome) };
        let to = line.to.map_or("–", Destination::name).to_owned();
        let id = line.id.clone().unwrap_or_else(|| "–".to_owned());
        vec![outcome, to, line.letter.clone(), id, line.reason.clone().unwrap_or_default()]
    };
    table(&["outcome", "to", "letter", "event", "reason"], &lines.iter().map(row).collect::<Vec<_>>(), paint)
}
