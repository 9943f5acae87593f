//! Deliveries signed, posted and looked for afterwards.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use webhook::claim::EventKey;
use webhook::providers::Provider;
use webhook::scheme::SchemeName;
use webhook::secret::Secret;
use webhook::signature::admit;
use webhook::source::{Merchants, Source, Sources};

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::keys::read_key;
use crate::terminal::output::{self, Paint, table};
use crate::work::sending::{Case, Sender, TimedStatus};
use stack::kept::{Fates, look, look_again};
use stack::known::unknown;
use stack::sources::{ProviderName, SourceName, of_provider};
use webhook::signing::{path, sign};

#[derive(Debug, Clone, Args)]
pub struct SendArgs {
    /// Files or folders: whole Lambda request events as in events/PROVIDER/CASE.json
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Send to this source, whatever the files say
    #[arg(long, value_name = "PROVIDER/SOURCE")]
    pub source: Option<SourceName>,
    /// The deliveries' provider, if the files are not in a provider's folder
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<ProviderName>,
    /// The files are bodies, sent as they are to --source
    #[arg(long, requires = "source")]
    pub raw: bool,
    /// Sign with the key or token in this environment variable, not with the stack's
    #[arg(long, value_name = "NAME", conflicts_with = "key_stdin")]
    pub key_env: Option<String>,
    /// Sign with the key or token on standard input, not with the stack's
    #[arg(long)]
    pub key_stdin: bool,
    /// Proof of deliveries by --key-env or --key-stdin, if the stack's secret cannot be read
    #[arg(long, value_name = "SCHEME")]
    pub scheme: Option<SchemeWord>,
    /// Sign with the current time, if the scheme signs a time
    #[arg(long)]
    pub fresh: bool,
    /// Send each delivery this number of times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub repeat: u32,
    /// Deliveries to send at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub concurrency: u32,
    /// Send in random order
    #[arg(long)]
    pub shuffle: bool,
    /// Seed for --shuffle: the same number gives the same order
    #[arg(long, value_name = "NUMBER", requires = "shuffle")]
    pub seed: Option<u64>,
    /// Do not read the table to see what was kept
    #[arg(long)]
    pub blind: bool,
    /// Sign with this key, not with the stack's.
    #[arg(skip)]
    pub key: Option<Secret>,
}

/// The scheme of a delivery, as a word.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SchemeWord {
    /// The provider signs.
    Signed,
    /// The URL holds a secret.
    UrlToken,
}

impl SendArgs {
    /// One delivery after the other, each once, with fresh times.
    pub fn plain() -> Self {
        SendArgs {
            paths: Vec::new(),
            source: None,
            provider: None,
            raw: false,
            key_env: None,
            key_stdin: false,
            scheme: None,
            fresh: true,
            repeat: 1,
            concurrency: 1,
            shuffle: false,
            seed: None,
            blind: false,
            key: None,
        }
    }
}

impl From<SchemeWord> for SchemeName {
    fn from(word: SchemeWord) -> Self {
        match word {
            SchemeWord::Signed => SchemeName::Signed,
            SchemeWord::UrlToken => SchemeName::UrlToken,
        }
    }
}

/// The outcome of one delivery.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveredLine {
    /// The file.
    pub case: String,
    /// Its destination.
    pub source: String,
    /// The status; `None` if there was no answer.
    pub answer: Option<u16>,
    /// The reason for which there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The duration.
    pub ms: u64,
    /// `new`, `repeat`, `conflict`, `revision`, `possiblyrepeated`; `refused`, `failed`; `missing` where it was
    /// answered 200 and no row was found; `None` if nobody looked.
    pub kept: Option<String>,
    /// The event's id.
    pub id: Option<String>,
}

/// A delivery ready to go.
#[derive(Debug, Clone)]
struct Ready {
    case: Case,
    url: String,
    /// Its name and its signed time, where the source would take it.
    name: Option<(EventKey, Option<String>)>,
}

/// Signs cases, posts them and reports what was kept.
pub async fn deliver(context: &Context, args: &SendArgs, cases: Vec<Case>) -> Result<Exit, Error> {
    let key = match &args.key {
        Some(key) => Some(key.clone()),
        None => read_key(args.key_env.as_deref(), args.key_stdin, "key")?,
    };
    let ready = prepare(context, args, cases, key).await?;
    let names: HashSet<EventKey> =
        ready.iter().filter(|_| !args.blind).filter_map(|ready| Some(ready.name.as_ref()?.0.clone())).collect();
    let before = look(context, &names).await?;
    let order = order(ready.len(), args, context);
    let sender = Sender::default();
    let mut progress = context.output.progress("sent", order.len());
    let at_once = usize::try_from(args.concurrency).unwrap_or(1);
    let sender = &sender;
    let posts = order.iter().filter_map(|at| ready.get(*at)).map(|ready| async move {
        let delivery = &ready.case.delivery;
        (ready, sender.post(&ready.url, &delivery.headers, delivery.body.clone()).await)
    });
    let posts = stream::iter(posts).buffered(at_once).inspect(|_| progress.step());
    let answers: Vec<(&Ready, TimedStatus)> = posts.collect().await;
    drop(progress);
    let answered = |ready: &Ready, answer: &TimedStatus| {
        let name = ready.name.as_ref().filter(|_| answer.status == Ok(200))?;
        names.contains(&name.0).then(|| name.0.clone())
    };
    let kept = answers.iter().filter_map(|(ready, answer)| answered(ready, answer)).collect();
    let after = look_again(context, &kept).await?;
    let mut fates = Fates::new(&before, &after);
    let lines: Vec<DeliveredLine> =
        answers.iter().map(|(ready, answer)| line(ready, answer, &mut fates, args.blind)).collect();
    context.output.print_all(&lines, text)?;
    context.output.note(&summary(&lines));
    Ok(exit(&lines))
}

async fn prepare(
    context: &Context,
    args: &SendArgs,
    cases: Vec<Case>,
    key: Option<Secret>,
) -> Result<Vec<Ready>, Error> {
    let mut secrets: BTreeMap<&str, Option<Sources>> = BTreeMap::new();
    let mut ready = Vec::new();
    for mut case in cases {
        let provider = case.source.provider;
        if !secrets.contains_key(provider.name) {
            let read = of_provider(context, provider).await;
            // With a key of one's own the stack's need not be readable.
            let read = if key.is_some() { read.ok() } else { Some(read?) };
            secrets.insert(provider.name, read);
        }
        let known = secrets.get(provider.name).and_then(Option::as_ref);
        let source = match &key {
            None => known_source(known, &case.source)?,
            Some(key) => given_source(known, &case.source, key, args.scheme)?,
        };
        let secret = source.credentials().first().ok_or_else(|| Error::problems("the source has no key"))?;
        let now_ms = context.clock.now_ms();
        sign(&provider.admission, source.scheme, secret, &mut case.delivery, now_ms, args.fresh)
            .map_err(|unsigned| Error::usage(format!("{} cannot be signed: {unsigned}", case.name)))?;
        let base = context.reachable(context.deployment().await?.url(provider)?);
        let url = format!("{base}{}", path(&source.name, &case.delivery));
        let name = admit(&provider.admission, &source, &case.delivery).ok().map(|verified| {
            let key = EventKey::of(provider.name, &source.name, &provider.claim_of(&verified));
            (key, verified.signed_at().map(str::to_owned))
        });
        ready.push(Ready { case, url, name });
    }
    Ok(ready)
}

/// The source as its secret has it.
fn known_source(known: Option<&Sources>, name: &SourceName) -> Result<Source, Error> {
    let known = known.ok_or_else(|| Error::problems("the secret cannot be read"))?;
    if let Some(source) = known.get(&name.source) {
        return Ok(source.clone());
    }
    if let Some((_, defect)) = known.defective().find(|(source, _)| *source == name.source) {
        return Err(Error::problems(format!("the source {name} cannot be used: {defect}"))
            .next("Its deliveries are answered 503 until its entry in the secret is put right."));
    }
    Err(unknown(known, name))
}

/// The source as its secret has it, but with the key that was given; without the secret, what can be assumed.
fn given_source(
    known: Option<&Sources>,
    name: &SourceName,
    key: &Secret,
    word: Option<SchemeWord>,
) -> Result<Source, Error> {
    let known = known.and_then(|known| known.get(&name.source)).cloned();
    let scheme = match word {
        Some(word) => word.into(),
        None => match (&known, only_scheme(name.provider)) {
            (Some(known), _) => known.scheme,
            (None, Some(only)) => only,
            (None, None) => {
                return Err(Error::usage(format!("how {name} proves its deliveries is not known"))
                    .next("Say it: --scheme signed or --scheme url-token"));
            }
        },
    };
    let (signing_keys, url_tokens) = match scheme {
        SchemeName::Signed => (vec![key.clone()], Vec::new()),
        SchemeName::UrlToken => (Vec::new(), vec![key.clone()]),
    };
    Ok(Source {
        name: name.source.clone(),
        scheme,
        signing_keys,
        url_tokens,
        merchants: known.as_ref().map_or(Merchants::Any, |known| known.merchants.clone()),
        several_merchants: known.is_some_and(|known| known.several_merchants),
    })
}

/// The scheme of a provider that has one only.
pub fn only_scheme(provider: &Provider) -> Option<SchemeName> {
    match provider.admission.schemes {
        [(only, _)] => Some(*only),
        _ => None,
    }
}

/// Which delivery goes when: each as often as was asked for, in the files' order or in one of chance.
fn order(count: usize, args: &SendArgs, context: &Context) -> Vec<usize> {
    let repeat = usize::try_from(args.repeat).unwrap_or(1);
    let mut order: Vec<usize> = (0..count).flat_map(|at| std::iter::repeat_n(at, repeat)).collect();
    if args.shuffle {
        let seed = args.seed.unwrap_or_else(|| context.clock.now_ms().unsigned_abs());
        context.output.note(&format!("Shuffled with --seed {seed}"));
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
    }
    order
}

fn line(ready: &Ready, answer: &TimedStatus, fates: &mut Fates<'_>, blind: bool) -> DeliveredLine {
    let (kept, id) = match (&answer.status, &ready.name) {
        (Ok(200), _) if blind => (None, None),
        (Ok(200), Some((name, signed_at))) => match fates.of(name, &ready.case.delivery, signed_at.as_deref()) {
            Some(fate) => (Some(fate.kept), Some(fate.id)),
            None => (Some("missing".to_owned()), Some(name.id())),
        },
        (Ok(200), None) => (None, None),
        (Ok(400..=499), _) => (Some("refused".to_owned()), None),
        (Ok(_) | Err(_), _) => (Some("failed".to_owned()), None),
    };
    DeliveredLine {
        case: ready.case.name.clone(),
        source: ready.case.source.to_string(),
        answer: answer.status.as_ref().ok().copied(),
        error: answer.status.as_ref().err().cloned(),
        ms: answer.ms,
        kept,
        id,
    }
}

/// Deliveries that ended alike on one line.
fn text(lines: &[DeliveredLine], paint: Paint) -> String {
    let mut groups: Vec<(&DeliveredLine, usize, u64)> = Vec::new();
    let mut places: BTreeMap<_, usize> = BTreeMap::new();
    for line in lines {
        let alike = (&line.case, &line.source, line.answer, &line.error, &line.kept, &line.id);
        let place = *places.entry(alike).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, times, slowest)) => (*times, *slowest) = (*times + 1, line.ms.max(*slowest)),
            None => groups.push((line, 1, line.ms)),
        }
    }
    let row = |(line, times, slowest): &(&DeliveredLine, usize, u64)| {
        let answer = line.answer.map(|status| status.to_string()).or(line.error.clone()).unwrap_or_default();
        let kept = line.kept.as_deref().unwrap_or("–");
        let kept = match kept {
            "new" => paint.good(kept),
            "refused" | "failed" | "missing" | "conflict" => paint.bad(kept),
            _ => kept.to_owned(),
        };
        let (times, slowest) = (times.to_string(), format!("{slowest} ms"));
        let id = line.id.clone().unwrap_or_default();
        vec![line.case.clone(), line.source.clone(), answer, times, slowest, kept, id]
    };
    let heading = ["case", "source", "answer", "times", "slowest", "kept", "event"];
    table(&heading, &groups.iter().map(row).collect::<Vec<_>>(), paint)
}

fn summary(lines: &[DeliveredLine]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    lines.iter().for_each(|line| *counts.entry(line.kept.as_deref().unwrap_or("unseen")).or_default() += 1);
    format!("{} sent: {}", lines.len(), output::counts(counts.iter().map(|(kept, count)| (*count, *kept))))
}

fn exit(lines: &[DeliveredLine]) -> Exit {
    let any = |word: &str| lines.iter().any(|line| line.kept.as_deref() == Some(word));
    if any("failed") {
        Exit::Service
    } else if any("refused") || any("missing") {
        Exit::Problems
    } else {
        Exit::Ok
    }
}
