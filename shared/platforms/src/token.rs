//! A credential for a provider's API.

use std::fmt;

use http::HeaderValue;
use webhook::secret::Secret;
use webhook::source::SAMPLE_KEY_PREFIX;

/// The shortest credential that any of the providers' documents shows has 17 characters; shorter ones are mistakes.
pub const LENGTH_MIN: usize = 12;

/// Credentials printed in the providers' documents and in this project's.
const PUBLIC: &[&str] = &[
    "qhtfs87hjnc12kkos",
    "testdeviceapikey",
    "your_token_here",
    "your-token-here",
    "your_api_key_here",
    "sk_your_api_key_here",
    "sk_1a2b3c4d5e6f...",
    "redacted_access_token",
    "access_token",
    "<access_token>",
];

/// A credential: it goes into one header, is never printed, and is removed from whatever an API says.
#[derive(Clone)]
pub struct Token(String);

/// A reason why a credential cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Nothing, or next to nothing.
    #[error("is empty or shorter than {LENGTH_MIN} characters")]
    Short,
    /// A credential from a document.
    #[error("is a sample from a document")]
    Public,
    /// A line break, a space, or what else no header carries.
    #[error("holds a space, a line break or another character that no credential has")]
    Characters,
}

impl Token {
    /// Takes a credential as the provider shows it.
    pub fn new(text: impl Into<String>) -> Result<Self, Weakness> {
        let text = text.into();
        let public = |known: &&str| text.eq_ignore_ascii_case(known);
        if PUBLIC.iter().any(public) || text.starts_with(SAMPLE_KEY_PREFIX) {
            return Err(Weakness::Public);
        }
        if text.len() < LENGTH_MIN {
            return Err(Weakness::Short);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Weakness::Characters);
        }
        Ok(Token(text))
    }

    /// A name for it that reveals nothing of it: twelve hex digits.
    pub fn fingerprint(&self) -> String {
        Secret::new(self.0.as_str()).fingerprint()
    }

    /// The value of the `Authorization` header; marked so that no HTTP library prints it.
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// A text without the credential in it: some servers repeat what they were sent.
    pub(crate) fn cut_from(&self, text: &str) -> String {
        text.replace(&self.0, "(credential)")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_credentials_are_refused_and_none_is_printed() {
        for (text, weakness) in [
            ("", Some(Weakness::Short)),
            ("abc", Some(Weakness::Short)),
            ("qhtfs87hjnc12kkos", Some(Weakness::Public)),
            ("YOUR_TOKEN_HERE", Some(Weakness::Public)),
            ("hookmill-sample-1", Some(Weakness::Public)),
            ("q8Vq2b7xGkP4mZ1s\n", Some(Weakness::Characters)),
            ("q8Vq2b7x GkP4mZ1s", Some(Weakness::Characters)),
            ("q8Vq2b7xGkP4mZ1s", None),
        ] {
            assert_eq!(Token::new(text).err(), weakness, "{text}");
        }
        let token = Token::new("q8Vq2b7xGkP4mZ1s").unwrap();
        assert!(!format!("{token:?} {:?}", token.bearer()).contains("q8Vq"));
        assert_eq!(token.cut_from("bad token q8Vq2b7xGkP4mZ1s!"), "bad token (credential)!");
    }
}
