//! Authentication: [`Verified`], which only [`admit`] can make.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq};

use crate::json::canonical;
use crate::json::{self, Document};
use crate::receive::request::{Delivery, RefusedDelivery};
use crate::receive::scheme::{Admission, Encoding, Scheme, Signature, SignaturePlace, SignedMessage};
use crate::receive::secret::Secret;
use crate::receive::source::{Merchants, Source};

/// A delivery whose credential was checked. Nothing else may act on a payload.
#[derive(Debug)]
pub struct Verified<'a> {
    /// The request.
    pub delivery: &'a Delivery,
    /// The source it came in at.
    pub source: &'a Source,
    /// The body read once, or why it cannot be read.
    pub body: Result<Document<'a>, json::JsonError>,
    // Private, so that nothing but `admit` can make a value of this type.
    fingerprint: String,
    signed_at: Option<String>,
    signed_text: Option<String>,
    body_hash: [u8; 32],
}

impl Verified<'_> {
    /// SHA-256 of the body as received, made once: names and rows have it.
    pub fn body_hash(&self) -> [u8; 32] {
        self.body_hash
    }

    /// Which of the source's keys or tokens matched.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The timestamp header's text, where the signature covers it.
    pub fn signed_at(&self) -> Option<&str> {
        self.signed_at.as_deref()
    }

    /// The text that the signature covers in the body's stead, where that is another one (SHOPLINE).
    /// Bodies that differ in how they are written, such as `10` and `10.0`, have one signature and one such text.
    pub fn signed_text(&self) -> Option<&str> {
        self.signed_text.as_deref()
    }
}

/// A reason for which a delivery was refused. The sender does not learn it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such source.
    UnknownSource,
    /// No credential, or one that occurs more than once.
    Missing,
    /// A credential that cannot be one: wrong alphabet or length.
    Malformed,
    /// No key or token matches.
    Mismatch,
    /// A matching credential, but another merchant's delivery.
    WrongMerchant,
    /// A delivery of another product of the same name (SHOPLINE's `X-Shopline-Topic`).
    OtherProduct,
    /// The signed message is not certain: not JSON, too deep, or a key occurs twice.
    Ambiguous,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Refusal; 7] = [
        Refusal::UnknownSource,
        Refusal::Missing,
        Refusal::Malformed,
        Refusal::Mismatch,
        Refusal::WrongMerchant,
        Refusal::OtherProduct,
        Refusal::Ambiguous,
    ];

    /// The reason of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Refusal::ALL.into_iter().find(|refusal| refusal.word() == word)
    }

    /// The word for logs and counts.
    pub fn word(self) -> &'static str {
        match self {
            Refusal::UnknownSource => "unknown_source",
            Refusal::Missing => "missing",
            Refusal::Malformed => "malformed",
            Refusal::Mismatch => "mismatch",
            Refusal::WrongMerchant => "wrong_merchant",
            Refusal::OtherProduct => "other_product",
            Refusal::Ambiguous => "ambiguous",
        }
    }
}

/// Checks a delivery's credential against its source.
///
/// Every key is tried, whichever matches first, and digests are compared in constant time.
pub fn admit<'a>(admission: &Admission, source: &'a Source, delivery: &'a Delivery) -> Result<Verified<'a>, Refusal> {
    check(admission, source, delivery, delivery.url_token.as_ref().map(Secret::digest))
}

/// Checks a delivery again that was refused, by its source as it is now. For an operator's tool; no function calls
/// this, which tidy checks.
pub fn admit_again<'a>(
    admission: &Admission,
    source: &'a Source,
    refused: &'a RefusedDelivery,
) -> Result<Verified<'a>, Refusal> {
    check(admission, source, refused.delivery(), refused.url_token_digest())
}

/// The same, with the SHA-256 of the URL token in the token's stead: tokens are compared by their digests anyway.
fn check<'a>(
    admission: &Admission,
    source: &'a Source,
    delivery: &'a Delivery,
    url_token_digest: Option<[u8; 32]>,
) -> Result<Verified<'a>, Refusal> {
    if admission.foreign_headers.iter().any(|name| delivery.headers.contains_key(*name)) {
        return Err(Refusal::OtherProduct);
    }
    let (proof, body) = match admission.scheme(source.scheme) {
        Some(Scheme::Signed(signature)) => signed(signature, source, delivery)?,
        Some(Scheme::UrlToken) => {
            let digest = url_token_digest.ok_or(Refusal::Missing)?;
            let matching = first_match(&source.url_tokens, |known| known.has_digest(&digest));
            let fingerprint = matching.ok_or(Refusal::Mismatch)?.fingerprint();
            (Proof { fingerprint, signed_at: None, signed_text: None }, None)
        }
        None => return Err(Refusal::Mismatch),
    };
    let body = body.unwrap_or_else(|| json::parse(&delivery.body));
    if let (Merchants::Only(accepted), Ok(document)) = (&source.merchants, &body) {
        let merchant = (admission.merchant)(&document.root);
        // A body that names no merchant cannot be bound to one; its credential has been checked.
        if merchant.is_some_and(|merchant| !accepted.contains(&merchant)) {
            return Err(Refusal::WrongMerchant);
        }
    }
    let Proof { fingerprint, signed_at, signed_text } = proof;
    Ok(Verified { delivery, source, body, fingerprint, signed_at, signed_text, body_hash: delivery.body_hash() })
}

/// The facts that a checked credential proves.
struct Proof {
    fingerprint: String,
    signed_at: Option<String>,
    signed_text: Option<String>,
}

type Proved<'a> = (Proof, Option<Result<Document<'a>, json::JsonError>>);

fn signed<'a>(signature: &Signature, source: &Source, delivery: &'a Delivery) -> Result<Proved<'a>, Refusal> {
    let written = match signature.place {
        SignaturePlace::Header(name) => delivery.header(name).map(Into::into),
        SignaturePlace::Query(name) => delivery.query_once(name),
    };
    let written = written.ok_or(Refusal::Missing)?;
    let digest = match signature.encoding {
        Encoding::Base64 => STANDARD.decode(written.as_bytes()).ok(),
        Encoding::Hex => hex::decode(written.as_bytes()).ok(),
    };
    let digest: [u8; 32] = digest.and_then(|bytes| bytes.try_into().ok()).ok_or(Refusal::Malformed)?;
    let timestamp = match &signature.timestamp {
        Some(timestamp) => Some(delivery.header(timestamp.header).ok_or(Refusal::Missing)?),
        None => None,
    };
    if timestamp.is_some_and(|timestamp| !is_epoch(timestamp)) {
        return Err(Refusal::Malformed);
    }
    let stamp = timestamp.unwrap_or_default().as_bytes();
    let (document, bodies) = match signature.message {
        SignedMessage::Body | SignedMessage::PrefixTimestampBody(_) => (None, Vec::new()),
        SignedMessage::TimestampSortedJson => {
            // The one payload that must be parsed to be checked: bounded in size by the edge, in depth by the parser.
            let document = json::parse(&delivery.body).map_err(|_| Refusal::Ambiguous)?;
            if document.duplicate_keys {
                return Err(Refusal::Ambiguous);
            }
            let bodies = canonical::candidates(&document.root);
            (Some(Ok(document)), bodies)
        }
    };
    let texts = match signature.message {
        SignedMessage::Body | SignedMessage::PrefixTimestampBody(_) => vec![delivery.body.as_slice()],
        SignedMessage::TimestampSortedJson => bodies.iter().map(String::as_bytes).collect(),
    };
    let texts = texts.iter().enumerate();
    let tries =
        source.signing_keys.iter().flat_map(|key| texts.clone().map(move |(number, text)| (key, number, *text)));
    let matching = first_match(tries, |(key, _, text)| {
        digest.ct_eq(&match signature.message {
            SignedMessage::Body => key.hmac(&[text]),
            SignedMessage::PrefixTimestampBody(prefix) => key.hmac(&[prefix.as_bytes(), b":", stamp, b":", text]),
            SignedMessage::TimestampSortedJson => key.hmac(&[stamp, b":", text]),
        })
    });
    let (key, number, _) = matching.ok_or(Refusal::Mismatch)?;
    // If the body itself is signed there are no others.
    let signed_text = bodies.get(number).cloned();
    let proof = Proof { fingerprint: key.fingerprint(), signed_at: timestamp.map(str::to_owned), signed_text };
    Ok((proof, document))
}

/// Returns whether a header's text is a time since the epoch: digits, as both providers' documents show.
///
/// The signed message joins timestamp and body by a colon. If a timestamp could hold one, whoever captured a delivery
/// could move the border into the body and have as many other bodies accepted as it has colons.
fn is_epoch(timestamp: &str) -> bool {
    (1..=19).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit())
}

/// The first that passes, after all have been tried.
fn first_match<T: Copy>(tries: impl IntoIterator<Item = T>, passes: impl Fn(T) -> Choice) -> Option<T> {
    let mut found = None;
    for one in tries {
        let passed = bool::from(passes(one));
        found = found.or(passed.then_some(one));
    }
    found
}
