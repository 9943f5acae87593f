//! Refused deliveries, kept for a while in case it was the secret that was wrong.
//!
//! An attacker must not be able to spend the merchant's money here: an in-memory limiter comes before any write, a
//! slot is chosen by the body's hash (a retry storm takes one slot), slots are small, few and short-lived.
//!
//! Nor must a flood take a genuine delivery's place, or show whether a source exists. Slots are chosen under a key, so
//! that nobody can compute bodies for them. Half of them keep what came first, for three days: what was there before the
//! flood. The other half keep what came last: a genuine delivery finds its place there, and again each time that its
//! provider repeats it. And a refusal takes the same time whether anything is written or not.
//!
//! Bodies are redacted here as everywhere, but a redacted body can never be verified again: so the body as received is
//! kept beside it, sealed under a key from the provider's own secret.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use webhook::providers::Provider;
use webhook::request::Delivery;
use webhook::secret::QuarantineKey;
use webhook::signature::Refusal;
use webhook::source::Sources;

use crate::aws::clock::Clock;
use crate::keep::compression;
use crate::keep::error::{StoreError, condition_held};
use crate::keep::item::{Item, KIND_REFUSED, bytes, digest, header_map, instant, text};
use crate::receive::http::Arrived;
use crate::receive::limiter::{Limiter, WriteTimes};
use crate::receive::seal::seal;

/// Slots for each source, and for all unknown sources of a provider together.
pub const SLOTS: u16 = 256;

/// Larger compressed bodies are kept as their hash alone. A sealed body counts too.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// A slot is free again after this time.
pub const LIFE_MS: i64 = 3 * 24 * 60 * 60 * 1_000;

/// The name under which all deliveries to unknown sources of a provider are kept.
pub const UNKNOWN: &str = "~";

/// The quarantine of one provider.
#[derive(Debug)]
pub struct Quarantine {
    client: Client,
    table: String,
    provider: &'static Provider,
    limiter: Limiter,
    write_times: WriteTimes,
    clock: Clock,
}

/// The result of quarantining a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quarantined {
    /// It has a slot.
    Kept,
    /// Its slot is taken, by another delivery or by this one.
    SlotTaken,
    /// The limiter allowed no write.
    Limited,
}

impl Quarantine {
    /// The quarantine in this table.
    pub fn new(client: Client, table: String, provider: &'static Provider, clock: Clock) -> Self {
        Quarantine { client, table, provider, limiter: Limiter::default(), write_times: WriteTimes::default(), clock }
    }

    /// Keeps a refused delivery if the cap allows. With a key, a body that has to be redacted is kept sealed too.
    pub async fn keep(
        &self,
        arrived: &Arrived,
        refusal: Refusal,
        sources: &Sources,
        now_ms: i64,
    ) -> Result<Quarantined, StoreError> {
        let source = if refusal == Refusal::UnknownSource { UNKNOWN } else { &arrived.source };
        let length = arrived.delivery.body.len();
        if !self.limiter.allows(source, arrived.network, now_ms) {
            self.clock.sleep(self.write_times.typical(length)).await;
            return Ok(Quarantined::Limited);
        }
        let begun = self.clock.time_source().now();
        let outcome = self.put(source, arrived, refusal, sources, now_ms).await;
        self.write_times.record(length, self.since(begun));
        outcome
    }

    /// Puts a delivery into one of its two slots. Takes the time of two puts, whichever it gets.
    async fn put(
        &self,
        source: &str,
        arrived: &Arrived,
        refusal: Refusal,
        sources: &Sources,
        now_ms: i64,
    ) -> Result<Quarantined, StoreError> {
        let pk = partition(self.provider, source);
        let hash = arrived.delivery.body_hash();
        let [first, latest] = slots(&sources.keyed(&pk, &hash));
        let item = self.item((source, &first), arrived, refusal, sources.quarantine_key(), now_ms)?;
        let begun = self.clock.time_source().now();
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let sent = request
            .condition_expression("attribute_not_exists(pk) OR expires < :now")
            .expression_attribute_values(":now", AttributeValue::N(seconds(now_ms).to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let holder = match &sent {
            Err(SdkError::ServiceError(error)) => match error.err() {
                PutItemError::ConditionalCheckFailedException(taken) => {
                    taken.item().and_then(|item| digest(item, "hash"))
                }
                _ => None,
            },
            _ => None,
        };
        if condition_held("put a refused delivery", sent)? {
            self.clock.sleep(self.since(begun)).await;
            return Ok(Quarantined::Kept);
        }
        if holder == Some(hash) {
            self.clock.sleep(self.since(begun)).await;
            return Ok(Quarantined::SlotTaken);
        }
        let item = self.item((source, &latest), arrived, refusal, sources.quarantine_key(), now_ms)?;
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let sent = request
            .condition_expression("attribute_not_exists(pk) OR #hash <> :hash OR expires < :now")
            .expression_attribute_names("#hash", "hash")
            .expression_attribute_values(":hash", bytes(hash.to_vec()))
            .expression_attribute_values(":now", AttributeValue::N(seconds(now_ms).to_string()))
            .send()
            .await;
        let kept = condition_held("put a refused delivery", sent)?;
        Ok(if kept { Quarantined::Kept } else { Quarantined::SlotTaken })
    }

    fn since(&self, begun: SystemTime) -> Duration {
        self.clock.time_source().now().duration_since(begun).unwrap_or_default()
    }

    fn item(
        &self,
        (source, slot): (&str, &str),
        arrived: &Arrived,
        refusal: Refusal,
        key: Option<&QuarantineKey>,
        now_ms: i64,
    ) -> Result<Item, StoreError> {
        let delivery = &arrived.delivery;
        let hash = delivery.body_hash();
        let pk = partition(self.provider, source);
        let mut item = Item::from([
            ("pk".to_owned(), text(&pk)),
            ("sk".to_owned(), text(slot)),
            ("kind".to_owned(), text(KIND_REFUSED)),
            ("received_at".to_owned(), text(&instant(now_ms))),
            ("expires".to_owned(), AttributeValue::N(seconds(now_ms + LIFE_MS).to_string())),
            ("reason".to_owned(), text(refusal.word())),
            ("hash".to_owned(), bytes(hash.to_vec())),
            ("headers".to_owned(), header_map(&evidence(self.provider, delivery))),
        ]);
        if source == UNKNOWN {
            // A longer one is not a source's name, but may be a token in the wrong place.
            let name = Some(&arrived.source).filter(|name| name.len() <= 20);
            item.extend(name.map(|name| ("source".to_owned(), text(name))));
        }
        if !delivery.query.is_empty() && delivery.query.len() <= 1_024 {
            item.insert("query".to_owned(), text(&delivery.query));
        }
        if let Some(token) = &delivery.url_token {
            // Enough to check the same request again, not enough to make one.
            item.insert("url_token_hash".to_owned(), bytes(token.digest().to_vec()));
        }
        // A longer body may compress well, but an attacker's seconds of reading and compression are ours.
        if delivery.body.len() <= 16 * BODY_BYTES_MAX {
            let place = place(&pk, slot, &hash);
            item.extend(self.bodies(delivery, key, &place)?.map(|(name, body)| (name.to_owned(), bytes(body))));
        }
        Ok(item)
    }

    /// Returns what is kept of a body, by attribute: all of it together within the cap. The sealed one comes first, because it
    /// alone can be verified again, and the other can be made of it.
    fn bodies(
        &self,
        delivery: &Delivery,
        key: Option<&QuarantineKey>,
        place: &[u8],
    ) -> Result<impl Iterator<Item = (&'static str, Vec<u8>)> + use<>, StoreError> {
        let readable = webhook::json::parse(&delivery.body);
        let redacted = webhook::redact::redact(&delivery.body, &readable, self.provider.secrets);
        let compress = |body: &[u8]| compression::compress(body).map_err(StoreError::Compression);
        let sealed = match key.filter(|_| !redacted.paths.is_empty()) {
            // Without it the delivery is kept as it would be without a key.
            Some(key) => seal(key, place, &compress(&delivery.body)?).ok(),
            None => None,
        };
        let sealed = sealed.filter(|sealed| sealed.len() <= BODY_BYTES_MAX);
        let left = BODY_BYTES_MAX - sealed.as_ref().map_or(0, Vec::len);
        let body = Some(compress(&redacted.body)?).filter(|body| body.len() <= left);
        Ok([("sealed", sealed), ("body", body)].into_iter().filter_map(|(name, body)| Some((name, body?))))
    }
}

/// Returns the quarantine's partition of a source, or of all [`UNKNOWN`] ones.
pub fn partition(provider: &Provider, source: &str) -> String {
    format!("refused/{}/{source}", provider.name)
}

/// Binds a sealed body to its slot and its hash, so that it opens nowhere else.
pub(super) fn place(pk: &str, slot: &str, hash: &[u8; 32]) -> Vec<u8> {
    // Neither name holds a zero byte.
    [b"hookmill quarantine 1\0", pk.as_bytes(), b"\0", slot.as_bytes(), b"\0", hash].concat()
}

/// Returns the headers that a new check needs, truncated to a length that no genuine one reaches.
fn evidence(provider: &Provider, delivery: &Delivery) -> std::collections::BTreeMap<String, String> {
    let mut headers = delivery.kept_headers(provider.kept_headers);
    headers.values_mut().for_each(|value| *value = value.chars().take(256).collect());
    headers
}

/// Returns the two slots of a delivery: one among those that keep what came first, one among those that keep the latest.
fn slots(keyed: &[u8; 32]) -> [String; 2] {
    let [a, b, c, d, ..] = *keyed;
    let half = SLOTS / 2;
    let (first, latest) = (u16::from_be_bytes([a, b]) % half, half + u16::from_be_bytes([c, d]) % half);
    [first, latest].map(|slot| format!("{slot:04}"))
}

fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1_000)
}
