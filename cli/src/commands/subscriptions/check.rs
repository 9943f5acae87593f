//! `hookmill subscriptions check`.

use clap::Args;
use platforms::check::{Severity, check};
use serde::Serialize;

use super::apis;
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, counted, table};
use crate::work::apis::{Api, address_of, api_failed};
use crate::work::selection::SourceArgs;

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Of which sources; without any, of all that have an account.
    #[command(flatten)]
    pub sources: SourceArgs,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, Serialize)]
pub struct FindingLine {
    pub source: String,
    /// `notice`, `warning` or `alarm`.
    pub severity: &'static str,
    /// A name for it.
    pub finding: &'static str,
    pub message: String,
    /// The next step.
    pub next: String,
}

/// The outcome of a check.
#[derive(Debug, Default)]
struct Checked {
    findings: Vec<FindingLine>,
    worst: Option<Severity>,
    /// The first source that could not be checked decides how the command ends.
    failed: Option<Exit>,
    sources: usize,
}

/// Checks every source. One that does not answer is a finding; the others are checked anyway.
pub(super) async fn run(context: &Context, args: &CheckArgs) -> Result<Exit, Error> {
    let (apis, defects) = apis(context, &args.sources).await?;
    let mut checked = Checked::default();
    for api in &apis {
        if let Some(instead) = api.client.platform().by_hand {
            context.output.note(&format!("{} cannot be checked: no API lists its webhooks. {instead}", api.name));
            continue;
        }
        match one(context, api).await {
            Ok(findings) => checked.add(findings),
            Err(error) => checked.fail(api.name.to_string(), error),
        }
    }
    for defect in defects {
        let next = "Set the account again: hookmill accounts set.";
        checked.fail(String::new(), Error::deployment(defect).next(next));
    }
    for finding in &mut checked.findings {
        finding.next = context.output.hint(&finding.next);
    }
    context.output.print_all(&checked.findings, text)?;
    context.output.note(&match (checked.sources, checked.findings.len()) {
        (0, 0) => "No source has an account whose webhooks can be checked: hookmill accounts set.".to_owned(),
        (sources, 0) => format!("{} checked: all is as it should be.", counted(sources, "source")),
        (sources, findings) => {
            format!("{} checked: {} to look at.", counted(sources, "source"), counted(findings, "finding"))
        }
    });
    let exit = if checked.worst >= Some(Severity::Warning) { Exit::Problems } else { Exit::Ok };
    Ok(checked.failed.unwrap_or(exit))
}

async fn one(context: &Context, api: &Api) -> Result<Vec<(Severity, FindingLine)>, Error> {
    let ours = address_of(context, &api.name).await?;
    let list = api.client.subscriptions().await.map_err(|error| api_failed(&error))?;
    let findings = check(&ours, &(api.client.platform().topics)(), &list);
    let line = |finding: platforms::check::SubscriptionFinding| {
        let line = FindingLine {
            source: api.name.to_string(),
            severity: finding.severity().word(),
            finding: finding.word(),
            message: finding.message(),
            next: finding.next_step(&api.name.to_string()),
        };
        (finding.severity(), line)
    };
    Ok(findings.into_iter().map(line).collect())
}

impl Checked {
    fn add(&mut self, findings: Vec<(Severity, FindingLine)>) {
        self.sources += 1;
        for (severity, line) in findings {
            self.worst = self.worst.max(Some(severity));
            self.findings.push(line);
        }
    }

    fn fail(&mut self, source: String, error: Error) {
        self.failed.get_or_insert(error.kind);
        self.findings.push(FindingLine {
            source,
            severity: Severity::Alarm.word(),
            finding: "unchecked",
            message: format!("{}.", error.message),
            next: error.next.unwrap_or_default(),
        });
    }
}

fn text(lines: &[FindingLine], paint: Paint) -> String {
    let severity = |line: &FindingLine| match line.severity {
        "alarm" => paint.bad(line.severity),
        _ => paint.odd(line.severity),
    };
    let rows = lines.iter().flat_map(|line| {
        [
            vec![line.source.clone(), severity(line), line.finding.to_owned(), line.message.clone()],
            vec![String::new(), String::new(), String::new(), paint.dim(&line.next)],
        ]
    });
    table(&["source", "severity", "finding", ""], &rows.collect::<Vec<_>>(), paint)
}
