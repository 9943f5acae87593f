//! `hookmill doctor`: checks a deployment.
//!
//! Checks are independent: one that lacks a permission or cannot reach its subject is reported as unknown, and the
//! others go on.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::Paint;
use stack::sources::SourceName;

mod checkup;
mod infrastructure;
mod alarms;
mod entrances;
mod queues;
mod flow;
pub mod refusals;
mod providers;
mod self_test;

pub use checkup::Checkup;

/// Checks that run at the same time.
const AT_ONCE: usize = 4;

#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Only this check; may be repeated
    #[arg(long, value_name = "CHECK", value_enum)]
    pub only: Vec<Check>,
    /// Not this check; may be repeated
    #[arg(long, value_name = "CHECK", value_enum, conflicts_with = "only")]
    pub skip: Vec<Check>,
    /// Also send a signed test event to every source whose provider has one; each keeps one row for ever
    #[arg(long)]
    pub self_test: bool,
    /// Send it to this source only; may be repeated
    #[arg(long, value_name = "PROVIDER/SOURCE")]
    pub source: Vec<SourceName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The stack's status, version and outputs
    Stack,
    /// Both tables, the time index and the stream
    Tables,
    /// The mappings that call the relay and the orders function
    Mappings,
    /// The functions and their log groups
    Functions,
    /// The alarms, and their subscribers
    Alarms,
    /// The sources in the providers' secrets
    Secrets,
    /// The receivers' URLs
    Urls,
    /// This machine's clock
    Clock,
    /// Messages that wait, and dead letters
    Queues,
    /// The relay's lag, and the newest events in their views
    Flow,
    /// Refused deliveries, and the wrong keys that they point to
    Quarantine,
    /// Events that are not understood or contradict each other
    Events,
    /// The webhooks that the providers have registered
    Providers,
    /// A signed test event, from its URL to its row
    SelfTest,
}

/// The state of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Good to know.
    Notice,
    /// It may become a problem.
    Warning,
    /// It could not be checked.
    Unknown,
    /// Not as it should be.
    Problem,
}

/// The finding about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub state: State,
    /// The subject, if that is not all of the check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The finding in a sentence without a full stop.
    pub message: String,
    /// The next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The exit code of an unknown.
    #[serde(skip)]
    pub exit: Exit,
}

/// A finding and the check that found it.
#[derive(Debug, Clone, Serialize)]
pub struct CheckLine {
    pub check: Check,
    #[serde(flatten)]
    pub finding: Finding,
}

impl Finding {
    fn new(state: State, message: impl Into<String>) -> Self {
        Finding { state, about: None, message: message.into(), next: None, exit: Exit::Ok }
    }

    /// As it should be.
    pub fn ok(message: impl Into<String>) -> Self {
        Finding::new(State::Ok, message)
    }

    /// Good to know.
    pub fn notice(message: impl Into<String>) -> Self {
        Finding::new(State::Notice, message)
    }

    /// It may become a problem.
    pub fn warning(message: impl Into<String>) -> Self {
        Finding::new(State::Warning, message)
    }

    /// Not as it should be.
    pub fn problem(message: impl Into<String>) -> Self {
        Finding::new(State::Problem, message)
    }

    /// It could not be checked.
    pub fn unknown(error: Error) -> Self {
        Finding { next: error.next, exit: error.kind, ..Finding::new(State::Unknown, error.message) }
    }

    /// Sets the subject.
    #[must_use]
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = Some(about.into());
        self
    }

    /// Sets the next step.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl Check {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn look<'a>(
        self,
        checkup: &'a Checkup<'a>,
        tested: &'a [SourceName],
    ) -> LocalBoxFuture<'a, Result<Vec<Finding>, Error>> {
        match self {
            Check::Stack => infrastructure::stack(checkup).boxed_local(),
            Check::Tables => infrastructure::tables(checkup).boxed_local(),
            Check::Mappings => infrastructure::mappings(checkup).boxed_local(),
            Check::Functions => infrastructure::functions(checkup).boxed_local(),
            Check::Alarms => alarms::alarms(checkup).boxed_local(),
            Check::Secrets => entrances::secrets(checkup).boxed_local(),
            Check::Urls => entrances::urls(checkup).boxed_local(),
            Check::Clock => entrances::clock(checkup).boxed_local(),
            Check::Queues => queues::queues(checkup).boxed_local(),
            Check::Flow => flow::flow(checkup).boxed_local(),
            Check::Quarantine => refusals::quarantine(checkup).boxed_local(),
            Check::Events => flow::events(checkup).boxed_local(),
            Check::Providers => providers::providers(checkup).boxed_local(),
            Check::SelfTest => self_test::self_test(checkup, tested).boxed_local(),
        }
    }
}

/// Runs the selected checks.
pub async fn run(context: &Context, args: DoctorArgs) -> Result<Exit, Error> {
    // Without a stack every check would report the same error.
    context.deployment().await?;
    let checkup = Checkup::new(context);
    let checks = chosen(&args);
    let mut progress = context.output.progress("checks", checks.len());
    let looks = checks.iter().map(|check| {
        let (checkup, tested) = (&checkup, &args.source);
        async move { (*check, check.look(checkup, tested).await) }
    });
    let looks = stream::iter(looks).buffered(AT_ONCE).inspect(|_| progress.step());
    let looked: Vec<_> = looks.collect().await;
    drop(progress);
    let mut lines: Vec<CheckLine> = looked.into_iter().flat_map(|(check, findings)| lines(check, findings)).collect();
    for CheckLine { finding, .. } in &mut lines {
        finding.message = context.output.hint(&finding.message);
        finding.next = finding.next.as_deref().map(|next| context.output.hint(next));
    }
    context.output.print_all(&lines, text)?;
    context.output.note(&summary(&lines));
    Ok(exit(&lines))
}

fn chosen(args: &DoctorArgs) -> Vec<Check> {
    let selected = |check: &Check| match check {
        Check::SelfTest => args.self_test || args.only.contains(check),
        _ => args.only.is_empty() || args.only.contains(check),
    };
    Check::value_variants().iter().filter(|check| selected(check) && !args.skip.contains(check)).copied().collect()
}

fn lines(check: Check, found: Result<Vec<Finding>, Error>) -> Vec<CheckLine> {
    let findings = found.unwrap_or_else(|error| vec![Finding::unknown(error)]);
    findings.into_iter().map(|finding| CheckLine { check, finding }).collect()
}

/// Returns the exit code: problems decide; then checks that could not be made.
fn exit(lines: &[CheckLine]) -> Exit {
    if lines.iter().any(|line| line.finding.state == State::Problem) {
        return Exit::Problems;
    }
    let unknown = lines.iter().find(|line| line.finding.state == State::Unknown);
    unknown.map_or(Exit::Ok, |line| match line.finding.exit {
        Exit::Service => Exit::Service,
        Exit::Ok | Exit::Problems | Exit::Usage | Exit::Deployment | Exit::NotFound | Exit::Interrupted => {
            Exit::Deployment
        }
    })
}

fn summary(lines: &[CheckLine]) -> String {
    let mut counts: BTreeMap<State, usize> = BTreeMap::new();
    lines.iter().for_each(|line| *counts.entry(line.finding.state).or_default() += 1);
    let worst = |state: State, word: &str| {
        let count = counts.get(&state).copied().unwrap_or_default();
        (count > 0).then(|| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
    };
    let faults = [worst(State::Problem, "problem"), worst(State::Unknown, "unknown"), worst(State::Warning, "warning")];
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    let notices = worst(State::Notice, "notice");
    match (faults.is_empty(), notices) {
        (true, None) => "Everything is as it should be.".to_owned(),
        (true, Some(notices)) => format!("No faults, {notices}."),
        (false, notices) => faults.into_iter().chain(notices).collect::<Vec<_>>().join(", "),
    }
}

fn text(lines: &[CheckLine], paint: Paint) -> String {
    let row = |line: &CheckLine| {
        let finding = &line.finding;
        let word = match finding.state {
            State::Ok => paint.good("ok     "),
            State::Notice => paint.dim("notice "),
            State::Warning => paint.odd("warning"),
            State::Unknown => paint.odd("unknown"),
            State::Problem => paint.bad("PROBLEM"),
        };
        let about = finding.about.as_ref().map(|about| format!("{about}: ")).unwrap_or_default();
        let next = finding.next.as_ref().map(|next| format!("\n                     {}", paint.dim(next)));
        let (name, message) = (line.check.name(), &finding.message);
        format!("{word}  {}  {about}{message}{}", paint.bold(&format!("{name:<10}")), next.unwrap_or_default())
    };
    lines.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// Writes a number of seconds in words.
fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Joins names, in words.
fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_count_more_than_what_is_unknown() {
        let line = |finding: Finding| CheckLine { check: Check::Stack, finding };
        let (ok, warning) = (line(Finding::ok("a")), line(Finding::warning("b")));
        let forbidden = line(Finding::unknown(Error::deployment("c")));
        let down = line(Finding::unknown(Error::service("d")));
        let problem = line(Finding::problem("e"));
        assert_eq!(exit(&[ok.clone(), warning.clone()]), Exit::Ok);
        assert_eq!(exit(&[ok.clone(), forbidden.clone()]), Exit::Deployment);
        assert_eq!(exit(&[down.clone(), forbidden.clone()]), Exit::Service);
        assert_eq!(exit(&[forbidden, problem.clone(), down]), Exit::Problems);
        assert_eq!(summary(&[ok]), "Everything is as it should be.");
        let notice = line(Finding::notice("f"));
        assert_eq!(summary(&[line(Finding::ok("a")), notice.clone()]), "No faults, 1 notice.");
        assert_eq!(summary(&[notice.clone(), problem.clone(), notice]), "1 problem, 2 notices");
        assert_eq!(summary(&[problem.clone(), warning, problem]), "2 problems, 1 warning");
    }

    #[test]
    fn the_self_test_is_asked_for() {
        let args = |only: &[Check], self_test| DoctorArgs {
            only: only.to_vec(),
            skip: Vec::new(),
            self_test,
            source: Vec::new(),
        };
        assert!(!chosen(&args(&[], false)).contains(&Check::SelfTest));
        assert!(chosen(&args(&[], true)).contains(&Check::SelfTest));
        assert_eq!(chosen(&args(&[Check::SelfTest], false)), [Check::SelfTest]);
        let skipped = DoctorArgs { skip: vec![Check::Urls, Check::Clock], ..args(&[], false) };
        assert_eq!(chosen(&skipped).len(), Check::value_variants().len() - 3);
    }
}
