//! Keys that are given to the tool, without ever standing on a command line, and keys that it makes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use webhook::secret::{QuarantineKey, Secret};

use crate::terminal::error::Error;

/// The key in an environment variable or on standard input, where one of them is named. `what` is what it is called.
pub fn read_key(variable: Option<&str>, stdin: bool, what: &str) -> Result<Option<Secret>, Error> {
    let (key, place) = if let Some(name) = variable {
        let value = std::env::var(name).map_err(|_| Error::usage(format!("the variable {name} is not set")))?;
        (value, format!("the variable {name}"))
    } else if stdin {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(|error| Error::usage(format!("standard input: {error}")))?;
        (line.trim_end_matches(['\r', '\n']).to_owned(), "standard input".to_owned())
    } else {
        return Ok(None);
    };
    if key.is_empty() { Err(Error::usage(format!("{place} holds no {what}"))) } else { Ok(Some(Secret::new(key))) }
}

/// A new URL token: 256 random bits in base64url.
pub fn new_token() -> Result<Secret, Error> {
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(random()?)))
}

pub fn new_quarantine_key() -> Result<QuarantineKey, Error> {
    Ok(QuarantineKey::new(random()?))
}

fn random() -> Result<[u8; 32], Error> {
    edge::receive::seal::random().map_err(|_| Error::service("this machine gives no random bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_keys_are_taken_by_what_reads_them() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert!(one != other && one.reveal().len() == 43);
        let key = new_quarantine_key().unwrap();
        assert_eq!(QuarantineKey::from_text(&key.to_text()), Some(key));
    }

    #[test]
    fn a_missing_key_is_reported() {
        assert!(read_key(None, false, "key").unwrap().is_none());
        let error = read_key(Some("HOOKMILL_NO_SUCH_VARIABLE"), false, "key").unwrap_err();
        assert_eq!(error.message, "the variable HOOKMILL_NO_SUCH_VARIABLE is not set");
    }
}
