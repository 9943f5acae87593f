//! Reads refused deliveries back from the quarantine, and checks them against the secret as it is now.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use webhook::providers::Provider;
use webhook::request::RefusedDelivery;
use webhook::secret::QuarantineKey;
use webhook::signature::{Refusal, Verified, admit_again};
use webhook::source::{Source, Sources};

use crate::keep::compression::decompress;
use crate::keep::error::{StoreError, condition_held};
use crate::keep::item::{BadItem, Item, KIND_REFUSED, digest, key_of, text};
use crate::receive::quarantine::{UNKNOWN, place};
use crate::receive::seal;

/// A refused delivery.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The provider whose receiver refused it.
    pub provider: &'static Provider,
    /// The source that the path named; `None` if it was unknown and no name was kept.
    pub source: Option<String>,
    /// True if the source was unknown at that time.
    pub unknown: bool,
    /// Its slot: with the provider and the source, or [`UNKNOWN`], its name in the quarantine.
    pub slot: String,
    /// Time of receipt.
    pub received_ms: i64,
    /// Time at which its slot is free again.
    pub expires_ms: i64,
    /// The word for why it was refused.
    pub reason: String,
    /// SHA-256 of the body as received.
    pub hash: [u8; 32],
    /// The headers that were kept.
    pub headers: BTreeMap<String, String>,
    /// The query, if it was short enough to keep.
    pub query: Option<String>,
    /// SHA-256 of the URL token that it came with.
    pub url_token_digest: Option<[u8; 32]>,
    /// The part of the body that is not sealed.
    pub body: RefusedBody,
    /// The body as received, sealed, if the other one is redacted.
    pub sealed: Option<Vec<u8>>,
    pk: String,
}

/// A refused body as far as it is not sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedBody {
    /// The body as received.
    Whole(Vec<u8>),
    /// The redacted body.
    Redacted(Vec<u8>),
    /// Nothing: it was too long.
    Gone,
}

/// A reason why a refused delivery cannot be checked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Its body was too long for the quarantine.
    #[error("its body was too long to keep")]
    TooLong,
    /// Its body was redacted while the provider's secret had no key to seal it with.
    #[error("its body was redacted and not sealed, so it cannot be verified again")]
    Redacted,
    /// Its body is sealed, and the provider's secret has no key now.
    #[error("its body is sealed, and the provider's secret has no quarantine_key any more")]
    NoKey,
    /// Its body is sealed under another key, or not as it was sealed.
    #[error("its body is sealed under another quarantine_key than the provider's secret has now")]
    OtherKey,
}

/// A reason why a refused delivery does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fails {
    /// It is refused again.
    #[error("{}", .0.word())]
    Again(Refusal),
    /// It cannot be checked.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The source's entry in the secret cannot be used.
    #[error("the source's entry in the secret cannot be used")]
    Defective,
}

impl Refused {
    /// Reads an item of the quarantine.
    pub fn from_item(item: &Item) -> Result<Self, BadItem> {
        let string = |name: &'static str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        let key = key_of(item).ok_or(BadItem("pk"))?;
        if string("kind").as_deref() != Some(KIND_REFUSED) {
            return Err(BadItem("kind"));
        }
        let mut parts = key.pk.splitn(3, '/').skip(1);
        let provider = parts.next().and_then(Provider::named).ok_or(BadItem("pk"))?;
        let partition = parts.next().ok_or(BadItem("pk"))?.to_owned();
        let received: Timestamp =
            string("received_at").and_then(|text| text.parse().ok()).ok_or(BadItem("received_at"))?;
        let expires = item.get("expires").and_then(|value| value.as_n().ok()).and_then(|text| text.parse::<i64>().ok());
        let hash = digest(item, "hash").ok_or(BadItem("hash"))?;
        let binary = |name: &'static str| match item.get(name) {
            None => Ok(None),
            Some(value) => value.as_b().map(|blob| Some(blob.as_ref().to_vec())).map_err(|_| BadItem(name)),
        };
        let body = match binary("body")? {
            None => RefusedBody::Gone,
            Some(compressed) => {
                let body = decompress(&compressed).map_err(|_| BadItem("body"))?;
                let whole = <[u8; 32]>::from(Sha256::digest(&body)) == hash;
                if whole { RefusedBody::Whole(body) } else { RefusedBody::Redacted(body) }
            }
        };
        let url_token_digest = match item.get("url_token_hash") {
            None => None,
            Some(_) => Some(digest(item, "url_token_hash").ok_or(BadItem("url_token_hash"))?),
        };
        let headers = item.get("headers").and_then(|value| value.as_m().ok()).into_iter().flatten();
        let unknown = partition == UNKNOWN;
        Ok(Refused {
            provider,
            source: if unknown { string("source") } else { Some(partition) },
            unknown,
            slot: key.sk,
            received_ms: received.as_millisecond(),
            expires_ms: expires.ok_or(BadItem("expires"))?.saturating_mul(1_000),
            reason: string("reason").ok_or(BadItem("reason"))?,
            hash,
            headers: headers.filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone()))).collect(),
            query: string("query"),
            url_token_digest,
            body,
            sealed: binary("sealed")?,
            pk: key.pk,
        })
    }

    /// Its name in the quarantine: `<provider>/<source, or ~>/<slot>`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.pk.strip_prefix("refused/").unwrap_or(&self.pk), self.slot)
    }

    /// Returns the body as received.
    pub fn original(&self, key: Option<&QuarantineKey>) -> Result<Vec<u8>, Lost> {
        match (&self.body, &self.sealed) {
            (RefusedBody::Whole(body), _) => Ok(body.clone()),
            (RefusedBody::Redacted(_) | RefusedBody::Gone, Some(sealed)) => {
                let place = place(&self.pk, &self.slot, &self.hash);
                let compressed = seal::open(key.ok_or(Lost::NoKey)?, &place, sealed).map_err(|_| Lost::OtherKey)?;
                decompress(&compressed).map_err(|_| Lost::OtherKey)
            }
            (RefusedBody::Redacted(_), None) => Err(Lost::Redacted),
            (RefusedBody::Gone, None) => Err(Lost::TooLong),
        }
    }

    /// Returns the delivery, as far as it is needed for checking and keeping it.
    pub fn delivery(&self, key: Option<&QuarantineKey>) -> Result<RefusedDelivery, Lost> {
        let body = self.original(key)?;
        let (parameters, headers): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.headers.clone().into_iter().partition(|(name, _)| name.starts_with('?'));
        // A query that was too long to keep has its one credential among the kept headers.
        let query = self.query.clone().unwrap_or_else(|| {
            let pair = |(name, value): (String, String)| format!("{}={value}", name.trim_start_matches('?'));
            parameters.into_iter().map(pair).collect::<Vec<_>>().join("&")
        });
        Ok(RefusedDelivery::new(headers, query, self.url_token_digest, body))
    }

    /// The source as it is now, if the delivery has any business there.
    pub fn source_now<'a>(&self, sources: &'a Sources) -> Result<&'a Source, Fails> {
        // The header with the product was not kept.
        if self.reason == Refusal::OtherProduct.word() {
            return Err(Fails::Again(Refusal::OtherProduct));
        }
        let name = self.source.as_deref().ok_or(Fails::Again(Refusal::UnknownSource))?;
        if sources.is_defective(name) {
            return Err(Fails::Defective);
        }
        sources.get(name).ok_or(Fails::Again(Refusal::UnknownSource))
    }

    /// Checks it again. `delivery` is its own, `source` that of [`Refused::source_now`].
    pub fn verify<'a>(&self, source: &'a Source, delivery: &'a RefusedDelivery) -> Result<Verified<'a>, Fails> {
        admit_again(&self.provider.admission, source, delivery).map_err(Fails::Again)
    }

    /// Frees its slot, unless another delivery has taken it. Returns whether it was still there.
    pub async fn remove(&self, client: &Client, table: &str) -> Result<bool, StoreError> {
        let hash = crate::keep::item::bytes(self.hash.to_vec());
        let sent = client
            .delete_item()
            .table_name(table)
            .key("pk", text(&self.pk))
            .key("sk", text(&self.slot))
            .condition_expression("#hash = :hash AND #kind = :kind")
            .expression_attribute_names("#hash", "hash")
            .expression_attribute_names("#kind", "kind")
            .expression_attribute_values(":hash", hash)
            .expression_attribute_values(":kind", text(KIND_REFUSED))
            .send()
            .await;
        condition_held("free a slot of the quarantine", sent)
    }
}
