//! Checks on the entrances: the sources in the secrets, the receivers' URLs, and the clock that dates depend on.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use webhook::secret::Secret;
use webhook::source::{Defect, Sources};

use super::{Checkup, Finding, listed, span};
use crate::terminal::error::{Error, Exit};
use crate::work::sending::Reply;

/// A receiver's answer to anything but POST.
const NOT_POST: u16 = 405;
/// AWS refuses calls that are signed with a clock this wrong.
const CLOCK_SECONDS_MAX: i64 = 300;
const CLOCK_SECONDS_ODD: i64 = 30;

pub(super) async fn secrets(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for (provider, sources) in checkup.sources().await {
        let looked = match sources {
            Ok(sources) => judge_sources(provider, sources),
            // The secret as a whole cannot be used: its receiver answers 503.
            Err(error) if error.kind == Exit::Problems => {
                let next = error.next.clone().unwrap_or_default();
                vec![Finding::problem(error.message.clone()).next(next)]
            }
            Err(error) => vec![Finding::unknown(error.clone())],
        };
        findings.extend(looked.into_iter().map(|finding| finding.about(*provider)));
    }
    if checkup.sources().await.values().all(|sources| sources.as_ref().is_ok_and(|known| known.names().count() == 0)) {
        findings.push(
            Finding::warning("no source is set up at all, so nothing can be received")
                .next("hookmill sources add PROVIDER/SOURCE"),
        );
    }
    Ok(findings)
}

fn judge_sources(provider: &str, sources: &Sources) -> Vec<Finding> {
    let names: Vec<String> = sources.names().map(str::to_owned).collect();
    if names.is_empty() {
        let message = "no source is set up, so its receiver answers 503";
        return vec![
            Finding::notice(message).next(format!("If it is wanted: hookmill sources add {provider}/<source>")),
        ];
    }
    let mut findings: Vec<Finding> = sources
        .defective()
        .map(|(source, defect)| {
            let message = format!("the source {source} cannot be used, so its deliveries are answered 503: {defect}");
            Finding::problem(message).next(match defect {
                Defect::NoCredential | Defect::WeakCredential => {
                    format!("Give it a key of its own: hookmill sources rotate {provider}/{source}")
                }
                Defect::Form { .. }
                | Defect::Name
                | Defect::Source
                | Defect::Scheme
                | Defect::NoMerchant
                | Defect::QuarantineKey => {
                    format!("Fix its entry in the secret of {provider}; docs/sources.md shows its form.")
                }
            })
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(format!("sources: {}", listed(&names))));
    }
    findings.extend(shared_keys(sources));
    findings
}

/// One key at two sources: whoever captured a delivery of one can send it to the other, where it passes.
fn shared_keys(sources: &Sources) -> Vec<Finding> {
    let mut holders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources.names().filter_map(|name| sources.get(name)) {
        let fingerprints: BTreeSet<String> = source.credentials().iter().map(Secret::fingerprint).collect();
        for fingerprint in fingerprints {
            holders.entry(fingerprint).or_default().push(source.name.clone());
        }
    }
    let shared = holders.into_iter().filter(|(_, names)| names.len() > 1);
    let finding = |(fingerprint, names): (String, Vec<String>)| {
        let message = format!("the sources {} have a key together, {fingerprint}", listed(&names));
        Finding::warning(message).next(
            "A delivery of one that somebody captured is accepted at the other. Rotate one of them, if the provider \
             gives each a key of its own; if not, let each take its own merchant only (docs/sources.md).",
        )
    };
    shared.map(finding).collect()
}

pub(super) async fn urls(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let mut well = Vec::new();
    for (provider, reply) in checkup.replies().await {
        match reply {
            Ok(Reply { status: NOT_POST, .. }) => well.push(provider.name.to_owned()),
            Ok(reply) => findings.push(judge_reply(reply.status).about(provider.name)),
            Err(error) if error.kind == Exit::Service => {
                let next = error.next.clone().unwrap_or_default();
                findings.push(Finding::problem(error.message.clone()).next(next).about(provider.name));
            }
            Err(error) => findings.push(Finding::unknown(error.clone()).about(provider.name)),
        }
    }
    if !well.is_empty() {
        findings.insert(0, Finding::ok(format!("receivers answer: {}", listed(&well))));
    }
    Ok(findings)
}

fn judge_reply(status: u16) -> Finding {
    let answers = |why: &str| Finding::problem(format!("its URL answers {status}{why}"));
    match status {
        403 => answers(": Lambda denies public access").next(
            "The function's policy lacks a permission: lambda:InvokeFunctionUrl and lambda:InvokeFunction have to be \
             allowed to everybody. Deploy the stack again; an organisation's policy may forbid it too.",
        ),
        404 => answers(": there is no such function").next("Deploy the stack again."),
        429 => answers(": Lambda refuses calls").next(
            "Too many at once, or a concurrency of 0 is reserved: look at the function's concurrency, and ask AWS for more.",
        ),
        500.. => answers(": the receiver fails").next("Read its log; hookmill doctor --only functions says more."),
        _ => answers(" to a GET, where a receiver answers 405")
            .next("Does the stack's output lead to this stack's receiver? Deploy it again."),
    }
}

pub(super) async fn clock(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let replies = checkup.replies().await;
    let dates = replies.iter().filter_map(|(_, reply)| reply.as_ref().ok()?.date.as_deref());
    let date = dates.filter_map(|date| DateTime::from_str(date, Format::HttpDate).ok()).next_back();
    let Some(theirs) = date else {
        return Err(Error::service("no receiver answers with a date, so this machine's clock cannot be compared"));
    };
    Ok(vec![judge_clock(checkup.context.clock.now_ms() / 1_000 - theirs.secs())])
}

fn judge_clock(ahead_seconds: i64) -> Finding {
    let off = ahead_seconds.abs();
    let message = format!(
        "this machine's clock is {} {}",
        span(off),
        if ahead_seconds < 0 { "behind that of AWS" } else { "ahead of that of AWS" }
    );
    let next = "Set it by the network's time (timedatectl set-ntp true).";
    match off {
        CLOCK_SECONDS_MAX.. => Finding::problem(message).next(format!("{next} AWS refuses calls signed like this.")),
        CLOCK_SECONDS_ODD.. => Finding::warning(message).next(format!("{next} --since counts by it.")),
        _ => Finding::ok("this machine's clock is that of AWS"),
    }
}

#[cfg(test)]
mod tests {
    use webhook::providers::SCALEV;

    use super::super::State;
    use super::*;

    #[test]
    fn a_clock_is_as_wrong_as_it_is() {
        for (ahead, state) in [(0, State::Ok), (-2, State::Ok), (45, State::Warning), (-400, State::Problem)] {
            assert_eq!(judge_clock(ahead).state, state, "{ahead}");
        }
        assert!(judge_clock(-400).message.contains("6 min behind"));
    }

    #[test]
    fn sources_that_cannot_be_used_are_told_without_their_keys() {
        let secret = r#"{"sources": {
            "main": {"scheme": "signed", "signing_keys": ["q8Vq2b7xGkP4mZ1s"], "merchants": "any"},
            "old": {"scheme": "signed", "signing_keys": ["hookmill-sample-hunter2"], "merchants": "any"},
            "odd": {"scheme": "signed", "signing_keys": ["hunter2hunter2"], "merchants": []}}}"#;
        let findings = judge_sources("scalev", &Sources::parse(&SCALEV.admission, secret).unwrap());
        assert_eq!(findings.iter().filter(|finding| finding.state == State::Problem).count(), 2, "{findings:?}");
        assert!(!format!("{findings:?}").contains("hunter"));
        let rotate = "hookmill sources rotate scalev/old";
        assert!(findings.iter().any(|finding| finding.next.as_ref().unwrap().contains(rotate)));
        assert_eq!(judge_sources("scalev", &Sources::default())[0].state, State::Notice);
    }

    #[test]
    fn a_key_that_two_sources_have_is_told_by_its_fingerprint() {
        let source = |name: &str, keys: &str| {
            format!(r#""{name}": {{"scheme": "signed", "signing_keys": [{keys}], "merchants": "any"}}"#)
        };
        let (one, other) = (r#""q8Vq2b7xGkP4mZ1s""#, r#""w9Xz3c8yHlQ5nA2t""#);
        let judged = |sources: &[String]| {
            let secret = format!(r#"{{"sources": {{{}}}}}"#, sources.join(","));
            judge_sources("scalev", &Sources::parse(&SCALEV.admission, &secret).unwrap())
        };
        let both = format!("{other}, {one}");
        let findings = judged(&[source("app", one), source("shop", &both), source("own", other)]);
        let shared: Vec<_> = findings.iter().filter(|finding| finding.state == State::Warning).collect();
        assert_eq!(shared.len(), 2, "{findings:?}");
        assert!(shared[0].message.contains("app, shop") || shared[1].message.contains("app, shop"), "{shared:?}");
        assert!(!format!("{findings:?}").contains("q8Vq"));
        assert!(judged(&[source("app", one), source("own", other)]).iter().all(|finding| finding.state == State::Ok));
    }

    #[test]
    fn each_answer_of_a_url_has_its_own_next_step() {
        for (status, next) in [(403, "InvokeFunctionUrl"), (429, "concurrency"), (503, "log"), (200, "output")] {
            let finding = judge_reply(status);
            assert_eq!(finding.state, State::Problem);
            assert!(finding.next.unwrap().contains(next), "{status}");
        }
    }
}
