//! Refused deliveries, kept for a while in case it was the secret that was wrong.
//!
//! An attacker must not be able to spend the merchant's money here: an in-memory limiter comes before any write, a
//! slot is chosen by the body's hash (a retry storm takes one slot), slots are small, few and short-lived.
//!
//! Bodies are redacted here as everywhere, but a redacted body can never be verified again: so the body as received is
//! kept beside it, sealed under a key from the provider's own secret.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use webhook::providers::Provider;
use webhook::request::Delivery;
use webhook::secret::QuarantineKey;
use webhook::signature::Refusal;

use crate::keep::compression;
use crate::keep::error::{StoreError, condition_held};
use crate::keep::item::{Item, KIND_REFUSED, bytes, header_map, instant, text};
use crate::receive::http::Arrived;
use crate::receive::seal::seal;

/// Slots for each source, and for all unknown sources of a provider together.
pub const SLOTS: u16 = 256;

/// Larger compressed bodies are kept as their hash alone. A sealed body counts too.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// A slot is free again after this time.
pub const LIFE_MS: i64 = 3 * 24 * 60 * 60 * 1_000;

/// Writes that a warm function may make at once for one source.
pub const BURST: u32 = 20;
/// Milliseconds until the limiter allows one more write.
pub const REFILL_MS: i64 = 5_000;

/// The name under which all deliveries to unknown sources of a provider are kept.
pub const UNKNOWN: &str = "~";

/// The quarantine of one provider.
#[derive(Debug)]
pub struct Quarantine {
    client: Client,
    table: String,
    provider: &'static Provider,
    limiter: Limiter,
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
    pub fn new(client: Client, table: String, provider: &'static Provider) -> Self {
        Quarantine { client, table, provider, limiter: Limiter::default() }
    }

    /// Keeps a refused delivery if the cap allows. With a key, a body that has to be redacted is kept sealed too.
    pub async fn keep(
        &self,
        arrived: &Arrived,
        refusal: Refusal,
        key: Option<&QuarantineKey>,
        now_ms: i64,
    ) -> Result<Quarantined, StoreError> {
        let source = if refusal == Refusal::UnknownSource { UNKNOWN } else { &arrived.source };
        if !self.limiter.allows(source, now_ms) {
            return Ok(Quarantined::Limited);
        }
        let item = self.item(source, arrived, refusal, key, now_ms)?;
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR expires < :now")
            .expression_attribute_values(":now", AttributeValue::N(seconds(now_ms).to_string()))
            .send()
            .await;
        let kept = condition_held("put a refused delivery", sent)?;
        Ok(if kept { Quarantined::Kept } else { Quarantined::SlotTaken })
    }

    fn item(
        &self,
        source: &str,
        arrived: &Arrived,
        refusal: Refusal,
        key: Option<&QuarantineKey>,
        now_ms: i64,
    ) -> Result<Item, StoreError> {
        let delivery = &arrived.delivery;
        let hash = delivery.body_hash();
        let [first, second, ..] = hash;
        let slot = u16::from_be_bytes([first, second]) % SLOTS;
        let (pk, slot) = (partition(self.provider, source), format!("{slot:04}"));
        let mut item = Item::from([
            ("pk".to_owned(), text(&pk)),
            ("sk".to_owned(), text(&slot)),
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
            let place = place(&pk, &slot, &hash);
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

fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1_000)
}

/// A token bucket for each source of the secret, and one for all unknown sources.
#[derive(Debug, Default)]
struct Limiter {
    buckets: Mutex<HashMap<String, TokenBucket>>,
}

#[derive(Debug, Clone, Copy)]
struct TokenBucket {
    tokens: u32,
    since_ms: i64,
}

impl Limiter {
    fn allows(&self, source: &str, now_ms: i64) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(source.to_owned()).or_insert(TokenBucket { tokens: BURST, since_ms: now_ms });
        let earned = u32::try_from((now_ms - bucket.since_ms).max(0) / REFILL_MS).unwrap_or(BURST);
        if earned > 0 {
            bucket.tokens = bucket.tokens.saturating_add(earned).min(BURST);
            bucket.since_ms += i64::from(earned) * REFILL_MS;
        }
        let allowed = bucket.tokens > 0;
        bucket.tokens = bucket.tokens.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_its_burst_and_then_a_trickle() {
        let limiter = Limiter::default();
        let allowed = |source: &str, now_ms: i64| (0..1_000).filter(|_| limiter.allows(source, now_ms)).count();
        assert_eq!(allowed("a", 0), 20);
        assert_eq!(allowed("a", REFILL_MS - 1), 0);
        assert_eq!(allowed("a", 3 * REFILL_MS), 3);
        assert_eq!(allowed("b", 3 * REFILL_MS), 20);
        assert_eq!(allowed("a", 1_000_000_000), 20);
    }
}
