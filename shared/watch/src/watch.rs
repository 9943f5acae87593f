//! One run: silence first, since its metric shows that the watch is alive; then the sweep; every hour the rest.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_secretsmanager::Client as SecretsManager;
use edge::aws::client::{BACKGROUND, sdk_config};
use edge::aws::clock::Clock;
use edge::aws::log::LogLine;
use edge::aws::serve::Handler;
use edge::keep::error::StoreError;
use edge::keep::item::instant;
use edge::keep::memory::Memory;
use edge::keep::store::Store;
use edge::keep::time_index::{SourceId, TimeIndex, ms_of};
use edge::relay::backlog::Backlog;
use edge::relay::sweep::{Sweeper, Swept};
use edge::{Relay, WatchConfig};
use platforms::Settings;
use serde::{Deserialize, Serialize};
use webhook::source::Source;

use crate::finding::{FindingKind, WatchFinding};
use crate::learn::{Learner, Learnt, name_of};
use crate::silence::{HOUR_MS, Verdict};
use crate::sources::{self, Known, SourcesByProvider};
use crate::subscriptions::{self, Registered};

/// The state of the sources.
const SOURCES: &str = "sources";
/// The state of what the providers had registered.
const REGISTERED: &str = "registered";

/// Percent of the timeout after which late events are no longer looked for, the sweep starts nothing more, learning starts nothing more, and the providers'
/// answers are no longer awaited. Work in progress ends within the rest: a batch takes a minute at most.
const LATE_PERCENT: i64 = 15;
const SWEEP_PERCENT: i64 = 35;
const LEARN_PERCENT: i64 = 65;
const SUBSCRIPTIONS_PERCENT: i64 = 90;

/// Time without a sampled delivery by it after which a previous key is no longer in use.
const OLD_KEY_MS: i64 = 24 * HOUR_MS;

/// The payload of a run: the schedule's event, or nothing.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct WatchCall {
    /// Do the hourly duties now.
    #[serde(default)]
    pub hourly: bool,
}

/// The result of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Findings for an operator.
    pub findings: Vec<WatchFinding>,
    /// Sources that deliveries come to.
    pub sources: usize,
    /// Whether the hourly duties were done.
    pub hourly: bool,
    /// The result of the sweep; `None` if it did not start or failed.
    pub swept: Option<SweptReport>,
}

/// The result of a sweep.
#[derive(Debug, Clone, Serialize)]
pub struct SweptReport {
    /// Everything received before this is relayed.
    pub until: String,
    /// Events compared.
    pub compared: usize,
    /// Events sent.
    pub sent: usize,
    /// Whether hours are left.
    pub unfinished: bool,
}

/// Duties that failed; the others were done, and the log has each reason.
#[derive(Debug, thiserror::Error)]
#[error("duties of the watch failed: {}", .0.join(", "))]
pub struct WatchError(Vec<&'static str>);

impl From<WatchError> for lambda_runtime::Diagnostic {
    fn from(error: WatchError) -> Self {
        lambda_runtime::Diagnostic { error_type: "Duties".to_owned(), error_message: error.to_string() }
    }
}

/// The watch.
#[derive(Debug)]
pub struct Watch {
    config: WatchConfig,
    secrets_manager: SecretsManager,
    memory: Memory,
    index: TimeIndex,
    learner: Learner,
    backlog: Backlog,
    sweeper: Sweeper,
    settings: Settings,
    clock: Clock,
}

/// A run in progress.
#[derive(Debug, Default)]
struct WatchRun {
    report: Report,
    failed: Vec<&'static str>,
    /// The metrics that this run could determine.
    numbers: BTreeMap<&'static str, usize>,
}

impl Handler for Watch {
    type Payload = WatchCall;
    type Answer = Report;
    type Error = WatchError;

    async fn handle(&self, call: WatchCall) -> Result<Report, WatchError> {
        self.run(call).await
    }
}

impl Watch {
    /// A watch configured from the environment.
    pub async fn from_config(config: WatchConfig) -> Self {
        let sdk = sdk_config(BACKGROUND).await;
        let (dynamodb, sqs) = (DynamoDb::new(&sdk), aws_sdk_sqs::Client::new(&sdk));
        Watch::new(config, dynamodb, sqs, SecretsManager::new(&sdk), subscriptions::settings(), Clock::system())
    }

    /// A watch with these clients and this clock; the settings are for calls to the providers.
    pub fn new(
        config: WatchConfig,
        dynamodb: DynamoDb,
        sqs: aws_sdk_sqs::Client,
        secrets_manager: SecretsManager,
        settings: Settings,
        clock: Clock,
    ) -> Self {
        let table = || config.relay.events_table.clone();
        let relay = Relay::new(config.relay.clone(), dynamodb.clone(), sqs, clock.clone());
        let (index, store) = (TimeIndex::new(dynamodb.clone(), table()), Store::new(dynamodb.clone(), table()));
        let memory = Memory::new(dynamodb.clone(), table());
        let learner = Learner::new(store, index.clone(), memory.clone(), clock.clone());
        let backlog = Backlog::new(dynamodb.clone(), table(), clock.clone());
        let sweeper = Sweeper::new(dynamodb, table(), relay, clock.clone());
        Watch { secrets_manager, memory, index, learner, backlog, sweeper, settings, clock, config }
    }

    /// Does every duty that is due. A failed one does not prevent the others.
    pub async fn run(&self, call: WatchCall) -> Result<Report, WatchError> {
        let started_ms = self.clock.now_ms();
        let share = |percent: i64| started_ms + self.config.timeout_ms * percent / 100;
        let mut run = WatchRun::default();
        match self.known(call, &mut run).await {
            Ok((known, secrets)) => {
                run.report.sources = known.current().len();
                self.silence(&known, &mut run).await;
                self.late(&known, share(LATE_PERCENT), &mut run).await;
                self.sweep(&known, share(SWEEP_PERCENT), &mut run).await;
                if let Some(secrets) = secrets {
                    run.report.hourly = true;
                    self.learn(&known, &secrets, share(LEARN_PERCENT), &mut run).await;
                    self.subscriptions(&secrets, share(SUBSCRIPTIONS_PERCENT), &mut run).await;
                }
            }
            Err(error) => self.failed(&mut run, "memory", &error.to_string()),
        }
        run.report.findings.iter().for_each(|finding| finding.log(self.clock.now_ms()));
        self.log(&run);
        if run.failed.is_empty() { Ok(run.report) } else { Err(WatchError(run.failed)) }
    }

    /// Returns the sources, and the secrets that name them if this is the run of the hour.
    async fn known(
        &self,
        call: WatchCall,
        run: &mut WatchRun,
    ) -> Result<(Known, Option<SourcesByProvider>), StoreError> {
        let now_ms = self.clock.now_ms();
        let mut known: Known = self.memory.recall(SOURCES).await?.unwrap_or_default();
        let is_due = call.hourly || now_ms.div_euclid(HOUR_MS) != known.read_ms.div_euclid(HOUR_MS);
        // A secret that could not be read stops the sweep, so it is read again before the hour is over.
        if !is_due && known.unread.is_empty() {
            return Ok((known, None));
        }
        let secrets = sources::read(&self.secrets_manager, &self.config.receivers, now_ms).await;
        for (provider, reason) in &secrets.unread {
            self.failed(run, "sources", &format!("the secret of {provider}: {reason}"));
        }
        known.update(&secrets, now_ms);
        self.memory.keep(SOURCES, &known).await?;
        Ok((known, is_due.then_some(secrets.sources)))
    }

    async fn silence(&self, known: &Known, run: &mut WatchRun) {
        let mut silent = 0;
        for source in known.current() {
            match self.is_silent(&source).await {
                Ok(None) => {}
                Ok(Some(finding)) => {
                    silent += 1;
                    run.report.findings.push(finding);
                }
                // Without its metric, the alarm goes off by itself.
                Err(error) => return self.failed(run, "silence", &error.to_string()),
            }
        }
        run.numbers.insert("Silence", silent);
    }

    async fn is_silent(&self, source: &SourceId) -> Result<Option<WatchFinding>, StoreError> {
        let learnt: Option<Learnt> = self.memory.recall(&name_of(source)).await?;
        let Some(learnt) = learnt.filter(|learnt| learnt.history.is_known()) else { return Ok(None) };
        let Some(last) = self.index.newest(source).await? else { return Ok(None) };
        let Some(last_ms) = ms_of(&last) else { return Ok(None) };
        let Verdict::Silent { quiet_ms, usual_ms } = learnt.history.judge(last_ms, self.clock.now_ms()) else {
            return Ok(None);
        };
        let (quiet, usual) = (quiet_ms / HOUR_MS, usual_ms / HOUR_MS);
        let message =
            format!("{source} is silent: nothing since {last}, {quiet} h ago; up to {usual} h are usual for it");
        let next = format!(
            "hookmill quarantine list --source {source}: are its deliveries refused? Then hookmill subscriptions check \
             --source {source}: are its webhooks switched off?"
        );
        Ok(Some(WatchFinding::new(FindingKind::Silence, source, "silent", message, next)))
    }

    /// Finds whether the relay runs.
    async fn late(&self, known: &Known, deadline_ms: i64, run: &mut WatchRun) {
        let late = match self.backlog.oldest_late(&known.ever(), deadline_ms).await {
            Ok(late) => late,
            Err(error) => return self.failed(run, "late", &error.to_string()),
        };
        run.numbers.insert("Unrelayed", usize::from(late.is_some()));
        let Some(late) = late else { return };
        let Some(source) = SourceId::of_partition(&late.key.pk) else { return };
        let message =
            format!("the relay does not run: {}, received at {}, was not sent", late.key.id(), late.received_at);
        let next =
            "hookmill doctor --only mappings: is the relay's on? Then read its log, and hookmill dlq list".to_owned();
        run.report.findings.push(WatchFinding::new(FindingKind::Unrelayed, &source, "late", message, next));
    }

    async fn sweep(&self, known: &Known, deadline_ms: i64, run: &mut WatchRun) {
        // An unknown source would not be swept, and its hour would never be read again.
        if !known.unread.is_empty() {
            return self.failed(run, "sweep", "not begun, since not every provider's sources are known");
        }
        match self.sweeper.sweep(&known.ever(), deadline_ms).await {
            Ok(Swept { until_ms, compared, sent, unfinished }) => {
                run.numbers.insert("Swept", sent);
                run.report.swept = Some(SweptReport { until: instant(until_ms), compared, sent, unfinished });
            }
            Err(error) => self.failed(run, "sweep", &error.to_string()),
        }
    }

    async fn learn(&self, known: &Known, secrets: &SourcesByProvider, deadline_ms: i64, run: &mut WatchRun) {
        let mut old_keys = Some(0);
        for id in known.current() {
            let source = secrets.get(id.provider.as_str()).and_then(|sources| sources.get(&id.source));
            let credentials = source.map(Source::credentials).unwrap_or_default();
            match self.learner.learn(&id, credentials, deadline_ms, &mut run.report.findings).await {
                Ok(learnt) if credentials.len() > 1 => {
                    let finding = self.old_key(&id, &learnt);
                    old_keys = old_keys.map(|found| found + usize::from(finding.is_some()));
                    run.report.findings.extend(finding);
                }
                Ok(_) => {}
                Err(error) => {
                    self.failed(run, "learn", &error.to_string());
                    old_keys = None;
                    break;
                }
            }
        }
        // A drift is found once, so it counts even if something failed after it.
        let drifts = run.report.findings.iter().filter(|finding| finding.kind == FindingKind::Drift).count();
        run.numbers.insert("Drift", drifts);
        run.numbers.extend(old_keys.map(|found| ("OldKeys", found)));
    }

    /// Finds whether a source with several keys still uses a previous one.
    fn old_key(&self, source: &SourceId, learnt: &Learnt) -> Option<WatchFinding> {
        let now_ms = self.clock.now_ms();
        let is_recent = |ms: &i64| now_ms - ms < OLD_KEY_MS;
        if let Some(ms) = learnt.old_key_ms.filter(is_recent) {
            let message = format!("{source}: deliveries still match a previous key, the last one at {}", instant(ms));
            let next = format!(
                "Enter the new key at the provider; when no delivery comes by the old one any more, remove it with \
                 `hookmill sources rotate {source} --finish`."
            );
            return Some(WatchFinding::new(FindingKind::OldKeys, source, "old_key", message, next));
        }
        if learnt.current_key_ms.is_some_and(|ms| is_recent(&ms)) {
            let line = LogLine::info("a previous key is no longer in use: remove it from the secret");
            let line = line.with("provider", source.provider.as_str()).with("source", source.source.as_str());
            line.with("finding", "unused_key").write(now_ms);
        }
        None
    }

    async fn subscriptions(&self, secrets: &SourcesByProvider, deadline_ms: i64, run: &mut WatchRun) {
        let accounts = match sources::value(&self.secrets_manager, &self.config.accounts_secret_id).await {
            Ok(accounts) => accounts,
            Err(reason) => return self.failed(run, "subscriptions", &format!("the secret of the accounts: {reason}")),
        };
        let Some(accounts) = accounts else {
            run.numbers.insert("Subscriptions", 0);
            return;
        };
        let mut registered: Registered = match self.memory.recall(REGISTERED).await {
            Ok(registered) => registered.unwrap_or_default(),
            Err(error) => return self.failed(run, "subscriptions", &error.to_string()),
        };
        let now_ms = self.clock.now_ms();
        let left_ms = u64::try_from(deadline_ms - now_ms).unwrap_or_default();
        let (receivers, settings) = (&self.config.receivers, &self.settings);
        let checking = subscriptions::check_all(&accounts, receivers, secrets, settings, &mut registered, now_ms);
        let Some(checked) = self.clock.within(Duration::from_millis(left_ms), checking).await else {
            return self.failed(run, "subscriptions", "the providers did not answer in time");
        };
        if let Err(error) = self.memory.keep(REGISTERED, &registered).await {
            return self.failed(run, "subscriptions", &error.to_string());
        }
        for failure in &checked.failures {
            let line = LogLine::warn("a provider's webhooks could not be checked; the next hour tries again");
            line.with("reason", failure.as_str()).write(self.clock.now_ms());
        }
        run.numbers.insert("Subscriptions", checked.findings.len());
        run.report.findings.extend(checked.findings);
    }

    fn failed(&self, run: &mut WatchRun, duty: &'static str, reason: &str) {
        LogLine::error("a duty of the watch failed")
            .with("duty", duty)
            .with("reason", reason)
            .write(self.clock.now_ms());
        if !run.failed.contains(&duty) {
            run.failed.push(duty);
        }
    }

    /// The line of the run, with its numbers as metrics.
    fn log(&self, run: &WatchRun) {
        let line =
            LogLine::info("watch ran").with("sources", run.report.sources).with("findings", run.report.findings.len());
        let line = match &run.report.swept {
            Some(swept) => line.with("swept_until", swept.until.as_str()).with("compared", swept.compared),
            None => line,
        };
        // If events were not relayed for a day, an operator has to find out why.
        let line = if run.numbers.get("Swept").is_some_and(|sent| *sent > 0) { line.attention() } else { line };
        let line = run.numbers.iter().fold(line, |line, (name, number)| line.count(name, *number));
        line.write(self.clock.now_ms());
    }
}
