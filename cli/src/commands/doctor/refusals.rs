//! Checks on refused deliveries, which point to a wrong key, a wrong URL or a wrong shop.

use std::collections::{BTreeMap, BTreeSet};

use edge::keep::time_index::WalkOrder;
use edge::receive::quarantine::{LIFE_MS, UNKNOWN};
use webhook::signature::Refusal;

use super::{Checkup, Finding};
use crate::context::Context;
use crate::terminal::error::Error;
use crate::terminal::output::counted_with;
use crate::terminal::time::{LATEST_MS, Range};
use crate::work::reading::noting;
use stack::quarantine::{RefusedLine, refused};
use stack::reader::walk;
use stack::sources::SourceName;

/// The number of different bodies, with no genuine delivery between them, that prove a wrong key rather than a forger.
const SURE: usize = 3;

pub(super) async fn quarantine(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let context = checkup.context;
    let sources = checkup.source_names().await;
    // Rows are there a little longer than they live.
    let from_ms = context.clock.now_ms().saturating_sub(LIFE_MS);
    let range = Range { from_ms, to_ms: LATEST_MS };
    let refused = noting(context, refused(context, &sources, Some(None), range).await?);
    let lines: Vec<RefusedLine> = refused.iter().map(RefusedLine::of).collect();
    let mut findings = Vec::new();
    for source in &sources {
        let of_source: Vec<&RefusedLine> = lines.iter().filter(|line| is_of(line, source)).collect();
        if of_source.is_empty() {
            continue;
        }
        let found = match latest(context, source).await {
            Ok(latest) => judge(source, &of_source, latest.as_deref()),
            Err(error) => vec![Finding::unknown(error)],
        };
        findings.extend(found.into_iter().map(|finding| finding.about(source.to_string())));
    }
    findings.extend(strangers(&lines, &sources));
    if let Some(error) = checkup.unreadable().await {
        findings.push(Finding::unknown(error));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("nothing was refused in the last three days"));
    }
    Ok(findings)
}

fn is_of(line: &RefusedLine, source: &SourceName) -> bool {
    line.provider == source.provider.name && line.source == source.source
}

/// Returns the time at which a source's latest event was received.
async fn latest(context: &Context, source: &SourceName) -> Result<Option<String>, Error> {
    let mut walk = walk(context, std::slice::from_ref(source), Range::ALL, WalkOrder::NewestFirst, 1).await?;
    Ok(walk.next().await?.map(|entry| entry.received_at))
}

/// Judges a source's refusals by the time at which its latest event was kept.
pub fn judge(source: &SourceName, lines: &[&RefusedLine], latest: Option<&str>) -> Vec<Finding> {
    let mut by_reason: BTreeMap<&str, Vec<&RefusedLine>> = BTreeMap::new();
    lines.iter().for_each(|line| by_reason.entry(line.reason.as_str()).or_default().push(line));
    let finding = |(reason, lines): (&str, Vec<&RefusedLine>)| match reason {
        reason if reason == Refusal::Mismatch.word() => mismatches(source, &lines, latest),
        reason if reason == Refusal::WrongMerchant.word() => {
            let message = format!("{} refused: a valid key, but another shop's delivery", counted(lines.len()));
            Finding::warning(message).next(format!(
                "If the shop is yours, add it to the merchants of {source} in the secret; {}",
                admit(source)
            ))
        }
        reason => {
            let message = format!("{} refused: {}", counted(lines.len()), words(reason));
            Finding::notice(message).next(format!("hookmill events list --quarantined --source {source}"))
        }
    };
    by_reason.into_iter().map(finding).collect()
}

fn mismatches(source: &SourceName, lines: &[&RefusedLine], latest: Option<&str>) -> Finding {
    // Refusals before the latest kept event do not show that the key is wrong now.
    let since: Vec<&&RefusedLine> =
        lines.iter().filter(|line| latest.is_none_or(|latest| *line.received > *latest)).collect();
    let first = since.iter().map(|line| line.received.as_str()).min();
    let bodies: BTreeSet<&str> = since.iter().map(|line| line.hash.as_str()).collect();
    match first {
        Some(first) if bodies.len() >= SURE => {
            let message = format!(
                "deliveries to {source} are refused since {first}, and none is kept: the key is probably wrong"
            );
            Finding::problem(message).next(format!("hookmill sources rotate {source}, then {}", admit(source)))
        }
        Some(first) => {
            let message =
                format!("{} refused since {first} for a wrong key, and none is kept since", counted(since.len()));
            Finding::warning(message).next(format!(
                "A forger, or the key is wrong: compare it with the provider's. If it is: hookmill sources rotate \
                 {source}, then {}",
                admit(source)
            ))
        }
        None => {
            let message = format!("{} refused for a wrong key, and others kept since", counted(lines.len()));
            Finding::notice(message).next(format!(
                "Forgeries, or the key was wrong for a time: hookmill events list --quarantined --source {source}"
            ))
        }
    }
}

/// Reports deliveries to names that were in no secret when they came. Some may have been added since.
fn strangers(lines: &[RefusedLine], sources: &[SourceName]) -> Vec<Finding> {
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut added: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.source == UNKNOWN) {
        let is_named =
            |source: &&SourceName| source.provider.name == line.provider && Some(&source.source) == line.named.as_ref();
        if let Some(source) = sources.iter().find(is_named) {
            *added.entry(source.to_string()).or_default() += 1;
            continue;
        }
        *counts.entry(&line.provider).or_default() += 1;
        names.entry(&line.provider).or_default().extend(line.named.as_deref());
    }
    let finding = |(provider, count): (&str, usize)| {
        let named = names.remove(provider).unwrap_or_default();
        let named: Vec<&str> = named.into_iter().take(5).collect();
        let named = if named.is_empty() { "malformed names".to_owned() } else { named.join(", ") };
        Finding::warning(format!("{} refused, to sources that no secret has: {named}", counted(count)))
            .next(format!(
                "A mistyped URL, or a source to be added: hookmill sources add {provider}/<source>. Or \
                 somebody is guessing names."
            ))
            .about(provider)
    };
    let of_added = |(source, count): (String, usize)| {
        Finding::notice(format!("{} refused before the source was added", counted(count)))
            .next(format!("hookmill quarantine admit --source {source} keeps those that pass now."))
            .about(source)
    };
    counts.into_iter().map(finding).chain(added.into_iter().map(of_added)).collect()
}

fn counted(count: usize) -> String {
    counted_with(count, "delivery", ("was", "were"))
}

fn admit(source: &SourceName) -> String {
    format!("hookmill quarantine admit --source {source}")
}

/// Explains a refusal's reason.
fn words(reason: &str) -> &str {
    let known = [
        (Refusal::UnknownSource, "no such source"),
        (Refusal::Missing, "no signature or token, or one twice"),
        (Refusal::Malformed, "a malformed signature"),
        (Refusal::Mismatch, "no key matches"),
        (Refusal::WrongMerchant, "another shop's delivery"),
        (Refusal::OtherProduct, "a delivery of another product of the same name"),
        (Refusal::Ambiguous, "ambiguous what was signed"),
    ];
    known.iter().find(|(refusal, _)| refusal.word() == reason).map_or(reason, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn line(received: &str, reason: &str, hash: &str) -> RefusedLine {
        RefusedLine {
            received: received.to_owned(),
            provider: "scalev".to_owned(),
            source: "main".to_owned(),
            named: None,
            reason: reason.to_owned(),
            hash: hash.to_owned(),
            body: true,
            slot: "0001".to_owned(),
        }
    }

    #[test]
    fn a_wrong_key_is_named() {
        let source: SourceName = "scalev/main".parse().unwrap();
        let lines = [line("2", "mismatch", "a"), line("3", "mismatch", "b"), line("4", "mismatch", "c")];
        let lines: Vec<&RefusedLine> = lines.iter().collect();
        let found = |lines: &[&RefusedLine], latest| {
            let findings = judge(&source, lines, latest);
            assert_eq!(findings.len(), 1);
            findings.into_iter().next().unwrap()
        };
        for latest in [None, Some("1")] {
            let finding = found(&lines, latest);
            assert_eq!(finding.state, State::Problem);
            assert!(finding.message.contains("refused since 2"), "{finding:?}");
            let next = "hookmill sources rotate scalev/main, then hookmill quarantine admit --source scalev/main";
            assert_eq!(finding.next.as_deref(), Some(next));
        }
        assert_eq!(found(&lines, Some("2")).state, State::Warning);
        assert_eq!(found(&lines, Some("5")).state, State::Notice);
        assert_eq!(found(&lines[..1], None).state, State::Warning);
        let same = [line("2", "mismatch", "a"), line("3", "mismatch", "a"), line("4", "mismatch", "a")];
        assert_eq!(found(&same.iter().collect::<Vec<_>>(), None).state, State::Warning);
        let wrong = line("2", "wrong_merchant", "a");
        assert_eq!(found(&[&wrong], None).state, State::Warning);
    }

    #[test]
    fn unknown_names_are_reported() {
        let unknown = |named: &str| RefusedLine {
            source: UNKNOWN.to_owned(),
            named: Some(named.to_owned()),
            ..line("2", "unknown_source", named)
        };
        let lines = [unknown("mian"), unknown("mian"), line("2", "mismatch", "x"), unknown("late")];
        let findings = strangers(&lines, &["scalev/late".parse().unwrap(), "selldone/mian".parse().unwrap()]);
        let late = &findings[1];
        assert_eq!((late.state, late.about.as_deref()), (State::Notice, Some("scalev/late")));
        assert_eq!(late.message, "1 delivery was refused before the source was added");
        assert!(late.next.as_ref().unwrap().contains("hookmill quarantine admit --source scalev/late"));
        let findings = strangers(&lines[..3], &[]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("2 deliveries were refused") && findings[0].message.ends_with(": mian"));
    }
}
