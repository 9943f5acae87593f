//! URLs: a webhook's address, which may hold a secret, and the address of an API.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use webhook::source::URL_TOKEN_LENGTH_MIN;

/// A webhook's destination. Its path may hold a secret (`…/<source>/<token>`), so it is printed without.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookAddress(String);

impl WebhookAddress {
    /// An address as the provider or we write it.
    pub fn new(text: impl Into<String>) -> Self {
        WebhookAddress(text.into())
    }

    /// All of it, the secret included: for the call that registers it, never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Scheme, host and the first segment of the path, which is the source's name; the rest is `…`, and so is a first
    /// segment that is long enough to be a secret itself, as other people's webhooks may have it.
    pub fn shown(&self) -> String {
        let Some(parts) = self.parts() else { return "(not a URL)".to_owned() };
        let (source, rest) = parts.path.split_once('/').unwrap_or((parts.path, ""));
        let source = if source.len() < URL_TOKEN_LENGTH_MIN { source } else { "…" };
        let more = if rest.is_empty() && parts.query.is_none() { "" } else { "/…" };
        format!("{}://{}/{source}{more}", parts.scheme, parts.host)
    }

    /// Returns whether both are one address. Upper and lower case of the host, a port that is the scheme's own and a
    /// closing slash make no difference.
    pub fn is_same(&self, other: &WebhookAddress) -> bool {
        match (self.parts(), other.parts()) {
            (Some(this), Some(that)) => this == that,
            _ => self.0 == other.0,
        }
    }

    /// Returns whether both are on one host, whatever their paths.
    pub fn is_same_host(&self, other: &WebhookAddress) -> bool {
        self.parts().zip(other.parts()).is_some_and(|(this, that)| this.host == that.host)
    }

    fn parts(&self) -> Option<Parts<'_>> {
        let (scheme, rest) = self.0.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        // Everything before an @ is a credential.
        let host = host.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        let own_port = if scheme == "http" { ":80" } else { ":443" };
        let host = host.strip_suffix(own_port).unwrap_or(&host).to_owned();
        (!host.is_empty()).then(|| Parts { scheme, host, path: path.trim_end_matches('/'), query })
    }
}

#[derive(PartialEq, Eq)]
struct Parts<'a> {
    scheme: String,
    host: String,
    path: &'a str,
    query: Option<&'a str>,
}

impl fmt::Display for WebhookAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown())
    }
}

impl fmt::Debug for WebhookAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WebhookAddress({})", self.shown())
    }
}

/// The way to a URL's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// With TLS.
    Secure,
    /// In the clear, but on this machine.
    Here,
    /// In the clear, over a network.
    Clear,
}

impl Reach {
    /// Judges a URL; `None` if it is neither of http nor of https, or has no host.
    pub fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let host = uri.host().filter(|host| !host.is_empty())?;
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match uri.scheme_str()? {
            "https" => Some(Reach::Secure),
            "http" if host == "localhost" || address.is_ok_and(|address| address.is_loopback()) => Some(Reach::Here),
            "http" => Some(Reach::Clear),
            _ => None,
        }
    }
}

/// An API's address: https, or plain http on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    plain: bool,
}

/// A text that is not an address of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not https://host[:port][/path], nor http:// on this machine")]
pub struct NotABaseUrl;

impl BaseUrl {
    /// Reads an address. Credentials never travel in the clear, so http is for tests on this machine only.
    pub fn parse(text: &str) -> Result<Self, NotABaseUrl> {
        let uri: Uri = text.parse().map_err(|_| NotABaseUrl)?;
        let plain = match Reach::of(text) {
            Some(Reach::Secure) => false,
            Some(Reach::Here) => true,
            Some(Reach::Clear) | None => return Err(NotABaseUrl),
        };
        if uri.query().is_some() || uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(NotABaseUrl);
        }
        Ok(BaseUrl { text: text.trim_end_matches('/').to_owned(), plain })
    }

    /// The text, without a closing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether it is plain http.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hide_their_secrets() {
        for (text, shown) in [
            ("https://a.example/tw/s3cr3t-token", "https://a.example/tw/…"),
            ("https://a.example/tw", "https://a.example/tw"),
            ("https://b.example/3f9c0a1e5577b1c2d3e4f5", "https://b.example/…"),
            ("https://b.example/3f9c0a1e5577b1c2d3e4f5/x", "https://b.example/…/…"),
            ("https://a.example/tw/", "https://a.example/tw"),
            ("https://u:p@A.example:443/tw?key=x", "https://a.example/tw/…"),
            ("http://a.example:8080", "http://a.example:8080/"),
            ("s3cr3t", "(not a URL)"),
            ("https:///x", "(not a URL)"),
        ] {
            assert_eq!(WebhookAddress::new(text).shown(), shown);
            assert_eq!(format!("{:?}", WebhookAddress::new(text)), format!("WebhookAddress({shown})"));
        }
    }

    #[test]
    fn spelling_makes_no_other_address() {
        let ours = WebhookAddress::new("https://a.example/tw/Token");
        for (text, same, host) in [
            ("HTTPS://A.example:443/tw/Token/", true, true),
            ("https://a.example/tw/token", false, true),
            ("http://a.example/tw/Token", false, true),
            ("https://b.example/tw/Token", false, false),
            ("https://a.example/tw/Token?x=1", false, true),
            ("", false, false),
        ] {
            let other = WebhookAddress::new(text);
            assert_eq!((ours.is_same(&other), ours.is_same_host(&other)), (same, host), "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_called_in_the_clear() {
        for (text, good) in [
            ("https://api.example", true),
            ("https://api.example/v1/", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("http://127.9.9.9:1", true),
            ("https://:80", false),
            ("http://api.example", false),
            ("http://127.0.0.1.example", false),
            ("ftp://api.example", false),
            ("https://u:p@api.example", false),
            ("https://api.example?x", false),
            ("api.example", false),
            ("", false),
        ] {
            assert_eq!(BaseUrl::parse(text).is_ok(), good, "{text}");
        }
        assert_eq!(BaseUrl::parse("https://api.example/v1/").unwrap().as_str(), "https://api.example/v1");
    }
}
