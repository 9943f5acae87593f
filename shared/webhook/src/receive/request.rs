//! One HTTP request, as far as any provider needs it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// One delivery: the bytes and names that authentication, naming and reading work on.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Header values by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The query string as in the URL, undecoded.
    pub query: String,
    /// The last path segment of `/<source>/<url token>`, where there is one.
    pub url_token: Option<crate::receive::secret::Secret>,
    /// The body exactly as received, transfer encodings undone.
    pub body: Vec<u8>,
}

/// A delivery as it was kept when it was refused, to be checked again: of its URL token only the digest was kept.
///
/// A type of its own, so that nothing that came over HTTP can be checked by a digest that it brought along.
#[derive(Debug, Clone)]
pub struct RefusedDelivery {
    delivery: Delivery,
    url_token_digest: Option<[u8; 32]>,
}

impl RefusedDelivery {
    /// A delivery of these parts.
    pub fn new(
        headers: BTreeMap<String, String>,
        query: String,
        url_token_digest: Option<[u8; 32]>,
        body: Vec<u8>,
    ) -> Self {
        RefusedDelivery { delivery: Delivery { headers, query, url_token: None, body }, url_token_digest }
    }

    /// Everything but the URL token.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// SHA-256 of the URL token that it came with.
    pub(crate) fn url_token_digest(&self) -> Option<[u8; 32]> {
        self.url_token_digest
    }
}

/// A longer value of a header is not kept: no signature and no id of a provider is as long, and a row has to fit into
/// an item of the table.
const KEPT_HEADER_BYTES_MAX: usize = 1_024;

impl Delivery {
    /// A header's value; empty counts as missing.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a query parameter that occurs exactly once and is not empty.
    pub fn query_once(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self.query.split('&').filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(key) == name).then(|| percent_decode(value))
        });
        let value = values.next().filter(|value| !value.is_empty())?;
        values.next().is_none().then_some(value)
    }

    /// SHA-256 of the body as received.
    pub fn body_hash(&self) -> [u8; 32] {
        Sha256::digest(&self.body).into()
    }

    /// The named headers that are present and not longer than a row has room for, for keeping; `?name` is a query
    /// parameter.
    pub fn kept_headers(&self, names: &[&str]) -> BTreeMap<String, String> {
        let value = |name: &str| match name.strip_prefix('?') {
            Some(parameter) => self.query_once(parameter).map(Cow::into_owned),
            None => self.header(name).map(str::to_owned),
        };
        let kept = |name: &str| value(name).filter(|value| value.len() <= KEPT_HEADER_BYTES_MAX);
        names.iter().filter_map(|name| Some(((*name).to_owned(), kept(name)?))).collect()
    }
}

/// `/<source>` or `/<source>/<url token>`, from a URL path.
pub fn split_path(path: &str) -> (Cow<'_, str>, Option<crate::receive::secret::Secret>) {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let source = segments.next().map_or(Cow::Borrowed(""), percent_decode);
    let token = segments.next().map(|token| crate::receive::secret::Secret::new(percent_decode(token)));
    // A longer path is nobody's URL.
    if segments.next().is_some() { (Cow::Borrowed(""), None) } else { (source, token) }
}

/// Undoes `%XX`; anything that is not such an escape, or not UTF-8 behind it, stays as it was.
pub fn percent_decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8().unwrap_or(Cow::Borrowed(text))
}

/// Whatever is not unreserved (RFC 3986).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Writes what is not unreserved as `%XX`.
pub fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters_must_stand_once() {
        for (query, found) in [
            ("sign=ab", Some("ab")),
            ("x=1&sign=%61b&y", Some("ab")),
            ("sign=ab&sign=ab", None),
            ("sign=ab&%73ign=cd", None),
            ("sign=", None),
            ("signs=ab", None),
            ("", None),
        ] {
            let delivery =
                Delivery { headers: BTreeMap::new(), query: query.to_owned(), url_token: None, body: Vec::new() };
            assert_eq!(delivery.query_once("sign").as_deref(), found, "{query}");
        }
    }

    #[test]
    fn paths_name_a_source_and_perhaps_a_token() {
        for (path, source, has_token) in [
            ("/main", "main", false),
            ("/main/", "main", false),
            ("/main/t0ken", "main", true),
            ("/m%61in", "main", false),
            ("/main/t/x", "", false),
            ("/", "", false),
            ("/a%2Fb", "a/b", false),
        ] {
            let (found, token) = split_path(path);
            assert_eq!((found.as_ref(), token.is_some()), (source, has_token), "{path}");
        }
    }

    #[test]
    fn percent_decoding_never_fails() {
        for (text, decoded) in
            [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%ff", "%ff"), ("%41%42", "AB"), ("é%", "é%")]
        {
            assert_eq!(percent_decode(text), decoded);
        }
    }
}
