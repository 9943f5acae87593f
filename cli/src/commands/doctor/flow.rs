//! Checks that kept events move on, and that they were understood.

use std::collections::BTreeMap;
use std::time::Duration;

use edge::keep::time_index::WalkOrder;
use webhook::view::View;

use super::checkup::Figure;
use super::{Checkup, Finding, span};
use crate::terminal::error::Error;
use crate::terminal::output::{counted, counted_with};
use crate::terminal::time::Range;
use stack::history::KeptEvent;
use stack::reader::EventReader;

/// The newest events that are looked for in their views.
const NEWEST: usize = 20;
/// Events received more recently than this may well be on their way.
const ON_ITS_WAY_MS: i64 = 60 * 1_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// The greatest number of the last day's events that are read.
const READ_MAX: usize = 500;
const LATELY: Duration = Duration::from_secs(15 * 60);
const LAG_MS_ODD: f64 = 60_000.0;
const LAG_MS_MAX: f64 = 300_000.0;

pub(super) async fn flow(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let relay = checkup.deployment().await?.output("RelayFunction").map(str::to_owned);
    let lag = match relay {
        Ok(function) => {
            let age = Figure {
                namespace: "AWS/Lambda",
                name: "IteratorAge",
                dimension: Some(("FunctionName", function)),
                statistic: "Maximum",
            };
            checkup.figures(&[age], LATELY).await.map(|figures| figures.first().copied().flatten())
        }
        Err(error) => Err(error),
    };
    findings.push(lag.map_or_else(Finding::unknown, judge_lag).about("relay"));
    let joined = unjoined(checkup).await;
    findings
        .push(joined.map_or_else(Finding::unknown, |(looked, missing)| judge_joined(looked, &missing)).about("views"));
    Ok(findings)
}

fn judge_lag(lag_ms: Option<f64>) -> Finding {
    let Some(lag_ms) = lag_ms else { return Finding::ok("CloudWatch has no recent lag: nothing waited") };
    let lag = Duration::try_from_secs_f64((lag_ms / 1_000.0).max(0.0)).unwrap_or_default();
    let message = format!(
        "was {} behind at the most in the last 15 minutes",
        span(i64::try_from(lag.as_secs()).unwrap_or(i64::MAX))
    );
    let next = "Read the relay's log: it waits for a queue, or there is more than it can carry. After 24 hours the \
                stream forgets.";
    if lag_ms > LAG_MS_MAX {
        Finding::problem(message).next(next)
    } else if lag_ms > LAG_MS_ODD {
        Finding::warning(message).next(next)
    } else {
        Finding::ok(message)
    }
}

/// Returns the number of events of orders that were looked at, and those that their order's view lacks.
async fn unjoined(checkup: &Checkup<'_>) -> Result<(usize, Vec<String>), Error> {
    let now_ms = checkup.context.clock.now_ms();
    let range = Range { from_ms: now_ms.saturating_sub(DAY_MS), to_ms: now_ms.saturating_sub(ON_ITS_WAY_MS) };
    let (newest, _) = newest(checkup, range, NEWEST).await?;
    let table = checkup.context.views().await?;
    let mut views: BTreeMap<String, View> = BTreeMap::new();
    let (mut looked, mut missing) = (0, Vec::new());
    let is_joined = |kept: &&KeptEvent| kept.event.event_type.concerns_orders() && !kept.view.is_empty();
    for kept in newest.iter().filter(is_joined) {
        looked += 1;
        if !views.contains_key(&kept.key.pk) {
            let view = table.view(&kept.key.pk).await?;
            views.insert(kept.key.pk.clone(), view.unwrap_or_default());
        }
        // A view that has joined an event is not changed by joining it again.
        let changed = views.get(&kept.key.pk).is_none_or(|view| view.clone().merge(kept.view.clone()));
        missing.extend(changed.then(|| kept.event.id.clone()));
    }
    Ok((looked, missing))
}

fn judge_joined(looked: usize, missing: &[String]) -> Finding {
    match (looked, missing.first()) {
        (0, _) => Finding::ok("nothing about an order was received in the last day"),
        (_, None) => {
            let newest = counted_with(looked, "newest event", ("about orders is", "about orders are"));
            Finding::ok(format!("{newest} in the view"))
        }
        (_, Some(first)) => {
            let message = format!(
                "{} of the newest {} about orders {} not in the view, such as {first}",
                missing.len(),
                counted(looked, "event"),
                if missing.len() == 1 { "is" } else { "are" }
            );
            Finding::problem(message).next(
                "Look at the mappings, the queues and the dead letters above; when that is fixed: hookmill replay \
                 --since 1d --queue orders",
            )
        }
    }
}

/// Returns the newest events of a range, and true if there are more.
async fn newest(checkup: &Checkup<'_>, range: Range, most: usize) -> Result<(Vec<KeptEvent>, bool), Error> {
    let sources = checkup.source_names().await;
    if sources.is_empty()
        && let Some(error) = checkup.unreadable().await
    {
        return Err(error);
    }
    let mut reader = EventReader::new(checkup.context, &sources, range, WalkOrder::NewestFirst, most + 1).await?;
    let mut events = Vec::new();
    while events.len() <= most
        && let Some(some) = reader.next().await?
    {
        events.extend(some);
    }
    let more = events.len() > most;
    events.truncate(most);
    Ok((events, more))
}

pub(super) async fn events(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let now_ms = checkup.context.clock.now_ms();
    let range = Range { from_ms: now_ms.saturating_sub(DAY_MS), to_ms: crate::terminal::time::LATEST_MS };
    let (events, more) = newest(checkup, range, READ_MAX).await?;
    let count = |holds: fn(&KeptEvent) -> bool| events.iter().filter(|kept| holds(kept)).count();
    let strange = count(|kept| kept.event.unrecognised || kept.event.changedshape || kept.event.unreadable.is_some());
    let conflicts = count(|kept| kept.event.conflict);
    let mut findings = judge_events(events.len(), more, strange, conflicts);
    let attention = Figure { namespace: "hookmill", name: "Attention", dimension: None, statistic: "Sum" };
    let counted = checkup.figures(&[attention], Duration::from_secs(24 * 60 * 60)).await;
    match counted.map(|figures| figures.first().copied().flatten()) {
        Ok(Some(times)) if times > 0.0 => findings.push(
            Finding::warning(format!("the functions asked for attention {times} times in the last day"))
                .next("Search the functions' logs for Attention: each line says what and why."),
        ),
        Ok(Some(_) | None) => {}
        Err(error) => findings.push(Finding::unknown(error).about("attention")),
    }
    Ok(findings)
}

fn judge_events(read: usize, more: bool, strange: usize, conflicts: usize) -> Vec<Finding> {
    let events = counted(read, "event");
    let of = if more { format!("of the newest {events}") } else { format!("of the last day's {events}") };
    let verb =
        |count: usize, one: &str, several: &str| format!("{count} {of} {}", if count == 1 { one } else { several });
    let mut findings = Vec::new();
    if strange > 0 {
        findings.push(Finding::warning(format!("{} not understood", verb(strange, "is", "are"))).next(
            "hookmill events list --unrecognised --since 1d shows them. They are kept: a newer version may know them.",
        ));
    }
    if conflicts > 0 {
        findings.push(
            Finding::warning(format!(
                "{} an earlier one of the same name",
                verb(conflicts, "contradicts", "contradict")
            ))
            .next("hookmill events list --conflict --since 1d shows them; ask the provider which one is right."),
        );
    }
    if findings.is_empty() {
        findings.push(Finding::ok(format!("none {of} is strange or contradicts another")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_lag_is_as_bad_as_it_is_long() {
        for (lag, state) in
            [(None, State::Ok), (Some(900.0), State::Ok), (Some(90_000.0), State::Warning), (Some(4e6), State::Problem)]
        {
            assert_eq!(judge_lag(lag).state, state, "{lag:?}");
        }
        assert!(judge_lag(Some(4e6)).message.contains("66 min"));
    }

    #[test]
    fn events_that_are_not_in_their_views_or_not_understood_are_reported() {
        assert_eq!(judge_joined(0, &[]).state, State::Ok);
        assert_eq!(judge_joined(5, &[]).state, State::Ok);
        let finding = judge_joined(5, &["scalev/main/1/order.created/e".to_owned()]);
        assert_eq!(finding.state, State::Problem);
        assert!(finding.message.contains("1 of the newest 5"));
        assert_eq!(judge_events(9, false, 0, 0)[0].state, State::Ok);
        let messages: Vec<_> = judge_events(500, true, 2, 1).into_iter().map(|finding| finding.message).collect();
        assert!(
            messages[0].contains("2 of the newest 500") && messages[1].contains("1 of the newest 500"),
            "{messages:?}"
        );
    }
}
