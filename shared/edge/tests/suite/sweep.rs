//! The stream forgets, the table does not: what was never relayed is found and sent, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::harness::*;
use crate::played::Played;
use crate::relay::{DECISIVE, PARKED, USERS, relay, send_batch};
use edge::Receiver;
use edge::keep::item::{Item, instant};
use edge::keep::time_index::SourceId;
use edge::relay::relay_log::SLOT_MS;
use edge::relay::sweep::{AGE_MS_MIN, SweepError, Sweeper, Swept};
use serde_json::{Value, json};
use webhook::providers::{SCALAPAY, SCALEV};

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// A stream that forgets after 24 hours, and the mapping that hands it to the relay in batches.
#[derive(Default)]
pub(crate) struct Stream {
    seen: BTreeSet<String>,
    waiting: Vec<(i64, String, Value)>,
}

impl Stream {
    /// Reads what was inserted since the last look, in keeping order.
    pub(crate) async fn look(&mut self, world: &World) {
        let mut items = world.items(EVENTS).await;
        items.retain(|item| text_of(item, "kind") == "event" && !self.seen.contains(&id(item)));
        items.sort_by_key(|item| text_of(item, "received_at"));
        for item in &items {
            self.seen.insert(id(item));
            self.waiting.push((world.now_ms(), id(item), inserted(item)));
        }
    }

    /// Forgets what is too old, and hands over the rest; what fails stays.
    pub(crate) async fn hand_over(&mut self, world: &World, queues: &Arc<Queues>) {
        let now_ms = world.now_ms();
        self.waiting.retain(|(at_ms, ..)| now_ms - at_ms < 24 * HOUR_MS);
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(7);
            let batch: Vec<Value> = self.waiting[..count].iter().map(|(.., record)| record.clone()).collect();
            if send_batch(&relay(world, queues), &batch).await.is_err() {
                return;
            }
            self.waiting.drain(..count);
        }
    }
}

pub(crate) fn id(item: &Item) -> String {
    format!("{}/{}", text_of(item, "pk"), text_of(item, "sk"))
}

fn sweeper(world: &World, queues: &Arc<Queues>) -> Sweeper {
    Sweeper::new(world.dynamodb.clone(), EVENTS.to_owned(), relay(world, queues), world.hasty_clock())
}

pub(crate) fn sources() -> Vec<SourceId> {
    let names = |provider: &'static str| {
        let sources = sources_of(provider)["sources"].as_object().unwrap().clone();
        sources.into_iter().map(move |(source, _)| SourceId { provider: provider.to_owned(), source })
    };
    ["scalapay", "scalev"].into_iter().flat_map(names).collect()
}

pub(crate) async fn sweep(world: &World, queues: &Arc<Queues>) -> Result<Swept, SweepError> {
    sweeper(world, queues).sweep(&sources(), i64::MAX).await
}

/// A Scalev order's event of its own.
pub(crate) async fn receive(receiver: &Receiver, number: usize) {
    let body = json!({
        "event": "order.updated", "unique_id": format!("e{number}"), "data": {"order_id": format!("O{}", number % 5)}
    });
    let event = sample("scalev", "order.created.2026", |event| event["body"] = body.to_string().into());
    assert_eq!(status(receiver, &event).await, 200);
}

fn sent_ids(queues: &Arc<Queues>, url: &str) -> Vec<String> {
    queues.bodies(url).iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn break_queues(queues: &Arc<Queues>, broken: bool) {
    *queues.refuse.lock().unwrap() = if broken { Some(|_, _, _| Err(())) } else { None };
}

#[tokio::test]
async fn what_the_stream_forgot_is_sent_and_nothing_else() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let (receiver, mut stream) = (world.receiver(&SCALEV), Stream::default());
    let mut received: BTreeMap<String, i64> = BTreeMap::new();
    let (mut of_relay, mut of_sweeper) = (BTreeSet::new(), Vec::new());
    // Sixty hours of two events an hour; for thirty of them, from the tenth on, no queue takes anything.
    for half_hour in 0..200_usize {
        break_queues(&queues, (20..80).contains(&half_hour));
        if half_hour < 120 {
            receive(&receiver, half_hour).await;
            stream.look(&world).await;
            for id in &stream.seen {
                received.entry(id.clone()).or_insert(world.now_ms());
            }
        }
        let before = sent_ids(&queues, USERS).len();
        stream.hand_over(&world, &queues).await;
        let between = sent_ids(&queues, USERS).len();
        of_relay.extend(sent_ids(&queues, USERS).split_off(before));
        // The sweeper runs all the while; where it finds something while no queue takes it, it stays where it is.
        match sweep(&world, &queues).await {
            Ok(swept) => {
                assert!(!swept.unfinished && world.now_ms() - swept.until_ms < AGE_MS_MIN + HOUR_MS);
                let sent = sent_ids(&queues, USERS).split_off(between);
                assert_eq!(sent.len(), swept.sent);
                of_sweeper.extend(sent);
            }
            Err(error) => assert!(matches!(error, SweepError::Relay(_)) && (72..80).contains(&half_hour), "{error}"),
        }
        world.time.advance(HOUR_MS / 2);
    }
    assert_eq!((received.len(), of_relay.len() + of_sweeper.len()), (120, 120));
    let lost: BTreeSet<String> = received.keys().filter(|id| !of_relay.contains(*id)).cloned().collect();
    // The first six of the thirty hours are what the stream had forgotten.
    assert_eq!((lost.len(), of_sweeper.iter().cloned().collect::<BTreeSet<_>>()), (13, lost));
    // The oldest first, by the relay's own messages: no mark, and the deduplication of the event's id.
    assert!(of_sweeper.windows(2).all(|pair| received[&pair[0]] <= received[&pair[1]]));
    let taken = queues.bodies(USERS);
    assert!(taken.iter().all(|event| event["replay"].is_null() && event["data"].is_object()));
    let decisive: BTreeSet<String> = sent_ids(&queues, DECISIVE).into_iter().collect();
    assert_eq!(decisive, received.keys().cloned().collect());
}

#[tokio::test]
async fn what_was_relayed_or_parked_is_not_sent_again() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let mut stream = Stream::default();
    // The user's queue takes nothing: its events are parked, which is as good as sent.
    *queues.refuse.lock().unwrap() = Some(|url, _, _| if url == USERS { Err(()) } else { Ok(None) });
    for provider in [&SCALEV, &SCALAPAY] {
        let receiver = world.receiver_of(provider);
        for case in cases(provider.name) {
            status(&receiver, &sample(provider.name, &case, |_| ())).await;
            world.time.advance(7 * 60 * 1_000);
        }
    }
    stream.look(&world).await;
    stream.hand_over(&world, &queues).await;
    let (kept, parked) = (stream.seen.len(), queues.bodies(PARKED).len());
    assert_eq!(kept, parked);
    world.time.advance(30 * HOUR_MS);
    let swept = sweep(&world, &queues).await.unwrap();
    assert_eq!((swept.compared, swept.sent), (kept, 0));
}

/// Events at the very edges of hours and slots, all of them lost, all of them found.
#[tokio::test]
async fn no_edge_of_an_hour_is_left_out() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let receiver = world.receiver(&SCALEV);
    world.time.advance(HOUR_MS - world.now_ms().rem_euclid(HOUR_MS));
    let mut number = 0;
    for step in [0, 1, SLOT_MS - 2, 1, 5 * SLOT_MS - 1, 1, HOUR_MS, SLOT_MS - 1, 1] {
        world.time.advance(step);
        receive(&receiver, number).await;
        number += 1;
    }
    world.time.advance(AGE_MS_MIN);
    // The hour in which the last ones came is not old enough yet.
    let first = sweep(&world, &queues).await.unwrap();
    assert_eq!(first.sent, 6);
    world.time.advance(HOUR_MS);
    let second = sweep(&world, &queues).await.unwrap();
    assert_eq!((first.sent + second.sent, sent_ids(&queues, USERS).len()), (number, number));
    assert_eq!(sweep(&world, &queues).await.unwrap().sent, 0);
}

#[tokio::test]
async fn a_sweep_that_fails_or_ends_early_goes_on_where_it_was() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let receiver = world.receiver(&SCALEV);
    for number in 0..250 {
        receive(&receiver, number).await;
        world.time.advance(1_000);
    }
    world.time.advance(2 * HOUR_MS + AGE_MS_MIN);
    // The first hundred are sent, then the queue breaks.
    *queues.refuse.lock().unwrap() =
        Some(|url, body, _| if url == DECISIVE && body.contains("e150") { Err(()) } else { Ok(None) });
    let error = sweep(&world, &queues).await.unwrap_err();
    assert!(matches!(error, SweepError::Relay(_)), "{error}");
    // Of the second hundred, what is before it in each order is sent, and remembered.
    assert_eq!(sent_ids(&queues, USERS).len(), 150);
    // No time at all: nothing is begun, nothing is claimed.
    break_queues(&queues, false);
    let swept = sweeper(&world, &queues).sweep(&sources(), 0).await.unwrap();
    assert!(swept.unfinished && swept.sent == 0);
    let swept = sweep(&world, &queues).await.unwrap();
    assert!(!swept.unfinished && swept.sent == 100);
    let ids = sent_ids(&queues, USERS);
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (250, 250));
}

/// A note that cannot be written costs a second message after a day, never an event and never the stream's progress.
#[tokio::test]
async fn a_note_that_fails_costs_one_repeat() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let receiver = world.receiver(&SCALEV);
    receive(&receiver, 1).await;
    let mut stream = Stream::default();
    stream.look(&world).await;
    let nowhere = World { dynamodb: world.dynamodb_without_tables(), ..world.clone() };
    let record = stream.waiting.remove(0).2;
    send_batch(&relay(&nowhere, &queues), &[record]).await.unwrap();
    world.time.advance(AGE_MS_MIN + HOUR_MS);
    assert_eq!(sweep(&world, &queues).await.unwrap().sent, 1);
    assert_eq!(sweep(&world, &queues).await.unwrap().sent, 0);
    assert_eq!(sent_ids(&queues, USERS).len(), 2);
}

/// A first sweep begins two days ago, not with the table.
#[tokio::test]
async fn a_first_sweep_begins_two_days_ago() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let receiver = world.receiver(&SCALEV);
    receive(&receiver, 1).await;
    world.time.advance(40 * HOUR_MS);
    receive(&receiver, 2).await;
    world.time.advance(30 * HOUR_MS);
    let swept = sweep(&world, &queues).await.unwrap();
    assert_eq!((swept.compared, swept.sent), (1, 1));
    let kept = world.items(EVENTS).await;
    let progress = kept.iter().find(|item| text_of(item, "pk") == "watch").unwrap();
    assert_eq!(text_of(progress, "until"), instant(swept.until_ms));
    assert!(kept.iter().filter(|item| text_of(item, "kind") != "event").all(|item| item.get("bucket").is_none()));
}

/// The memory of a sweep does not grow with the rate: some pages of the index, a part of a slot and a page of the log.
#[tokio::test]
async fn an_hour_of_any_number_of_events_is_swept_in_bounded_memory() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let from_ms = world.now_ms().div_euclid(HOUR_MS) * HOUR_MS;
    let count = std::env::var("PLAYED_EVENTS").map_or(120_000, |count| count.parse().unwrap());
    let played = Played::new(from_ms, count, 10_007);
    let missing = played.missing();
    world.time.advance(HOUR_MS + AGE_MS_MIN);
    let world = World { dynamodb: played.client(), ..world };
    let source = SourceId { provider: "scalev".to_owned(), source: "main".to_owned() };
    let swept = sweeper(&world, &queues).sweep(&[source], i64::MAX).await.unwrap();
    assert_eq!((swept.compared, swept.sent, swept.unfinished), (count, missing, false));
    assert_eq!((swept.until_ms, played.answered()), (from_ms + HOUR_MS, count));
    let sent = sent_ids(&queues, USERS);
    let number = |id: &String| id.rsplit('e').next().unwrap().parse::<usize>().unwrap();
    assert!(sent.len() == missing && sent.windows(2).all(|pair| number(&pair[0]) < number(&pair[1])));
    let held = played.held_max.load(std::sync::atomic::Ordering::SeqCst);
    assert!(held <= 60_000 + edge::keep::time_index::HELD_MAX, "{held} of {count}");
}

/// After thirty days the relay log is gone: what came before is not taken for something that was never relayed.
#[tokio::test]
async fn a_sweep_that_was_held_up_for_a_month_sends_nothing_again() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let receiver = world.receiver(&SCALEV);
    assert_eq!(sweep(&world, &queues).await.unwrap().sent, 0);
    world.time.advance(72 * HOUR_MS);
    assert_eq!(sweep(&world, &queues).await.unwrap().sent, 0);
    receive(&receiver, 1).await;
    let mut stream = Stream::default();
    stream.look(&world).await;
    stream.hand_over(&world, &queues).await;
    world.time.advance(20 * 24 * HOUR_MS);
    receive(&receiver, 2).await;
    world.time.advance(11 * 24 * HOUR_MS);
    for row in world.items(EVENTS).await.into_iter().filter(|row| text_of(row, "pk").starts_with("relayed/")) {
        let delete = world.dynamodb.delete_item().table_name(EVENTS);
        delete.key("pk", row["pk"].clone()).key("sk", row["sk"].clone()).send().await.unwrap();
    }
    let swept = sweep(&world, &queues).await.unwrap();
    assert_eq!((swept.compared, swept.sent, sent_ids(&queues, USERS).len()), (1, 1, 2));
}

#[tokio::test]
async fn what_was_disowned_before_it_was_relayed_is_not_sent() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let receiver = world.receiver(&SCALEV);
    receive(&receiver, 1).await;
    receive(&receiver, 2).await;
    let mut disowned = world.items(EVENTS).await.remove(0);
    disowned.insert("disowned_at".to_owned(), disowned["received_at"].clone());
    world.dynamodb.put_item().table_name(EVENTS).set_item(Some(disowned.clone())).send().await.unwrap();
    world.time.advance(30 * HOUR_MS);
    assert_eq!(sweep(&world, &queues).await.unwrap().sent, 1);
    assert!(!sent_ids(&queues, USERS).contains(&id(&disowned)));
}

#[tokio::test]
async fn what_was_erased_before_it_was_relayed_is_not_sent() {
    let (world, queues) = (world().await, Arc::new(Queues::default()));
    let receiver = world.receiver(&SCALEV);
    receive(&receiver, 1).await;
    receive(&receiver, 2).await;
    let erased = world.items(EVENTS).await.remove(0);
    crate::rebuild::eraser(&world).erase(&text_of(&erased, "pk"), None).await.unwrap();
    world.time.advance(AGE_MS_MIN + HOUR_MS);
    for sent in [1, 0] {
        assert_eq!(sweep(&world, &queues).await.unwrap().sent, sent);
    }
    assert!(!sent_ids(&queues, USERS).contains(&id(&erased)));
}
