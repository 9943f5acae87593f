//! The accounts with the providers' APIs, as their secret has them.
//!
//! The credentials for the providers' own APIs are in one secret of their own, which no receiver can read:
//! `{"accounts": {"<provider>/<source>": {…}}}`, a source being the same as in the receivers' secrets.
//! The members of an account are the provider's credential (`token` or `api_key`), the shop where calls need it
//! (`handle`, `shop_id`, `business`), and `base_url` where it is not the production API.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use webhook::source::is_source_name;

use crate::address::BaseUrl;
use crate::platform::Platform;
use crate::token::{Token, Weakness};

/// One source's account with its provider's API.
#[derive(Debug, Clone)]
pub struct Account {
    /// Whose API it is.
    pub platform: &'static Platform,
    /// The source that it belongs to.
    pub source: String,
    /// The credential.
    pub token: Token,
    /// The shop, where calls need it.
    pub shop: Option<String>,
    /// The API's address.
    pub base: BaseUrl,
}

/// The reason why a secret, or one account in it, cannot be used. Never holds a value of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountDefect {
    /// The secret has no value yet.
    #[error("the secret is empty: put {{\"accounts\": {{…}}}} into it")]
    Empty,
    /// The secret is not JSON.
    #[error("the secret is not JSON at line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The secret has other members than `accounts`, or that is not an object.
    #[error("the secret is not of the form {{\"accounts\": {{\"<provider>/<source>\": {{…}}}}}}")]
    Form,
    /// A source name that cannot stand in a URL and a key.
    #[error("the source's name is not 1 to 64 of a-z, 0-9, '-' and '_'")]
    Name,
    /// The account is not an object.
    #[error("the account is not an object")]
    Account,
    /// A member is missing.
    #[error("the account has no \"{0}\"")]
    Missing(&'static str),
    /// A member is not text, or blank.
    #[error("\"{0}\" is not text, or blank")]
    Text(&'static str),
    /// The credential cannot be used.
    #[error("\"{0}\" {1}")]
    Weak(&'static str, Weakness),
    /// The address of the API cannot be used.
    #[error("\"base_url\" {0}")]
    BaseUrl(crate::address::NotABaseUrl),
    /// The account has a member that no account of this provider has, perhaps a misspelt one.
    #[error("the account has a member that is none of: {0}")]
    Unknown(String),
}

/// All accounts of one provider in the secret.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    usable: BTreeMap<String, Account>,
    defective: BTreeMap<String, AccountDefect>,
}

impl Accounts {
    /// Reads a provider's part of the secret. One account's defect does not take the others down.
    pub fn parse(platform: &'static Platform, secret: &str) -> Result<Self, AccountDefect> {
        if secret.trim().is_empty() {
            return Err(AccountDefect::Empty);
        }
        let place = |error: serde_json::Error| AccountDefect::Json { line: error.line(), column: error.column() };
        let Value::Object(mut document) = serde_json::from_str(secret).map_err(place)? else {
            return Err(AccountDefect::Form);
        };
        let (Some(Value::Object(entries)), true) = (document.remove("accounts"), document.is_empty()) else {
            return Err(AccountDefect::Form);
        };
        let mut accounts = Accounts::default();
        for (name, entry) in entries {
            let Some((provider, source)) = name.split_once('/') else { return Err(AccountDefect::Form) };
            if provider != platform.name {
                continue;
            }
            match account(platform, source, entry) {
                Ok(account) => {
                    accounts.usable.insert(source.to_owned(), account);
                }
                Err(defect) => {
                    accounts.defective.insert(source.to_owned(), defect);
                }
            }
        }
        Ok(accounts)
    }

    /// The account of this source.
    pub fn get(&self, source: &str) -> Option<&Account> {
        self.usable.get(source)
    }

    /// All that can be used, in the order of their sources.
    pub fn usable(&self) -> impl Iterator<Item = &Account> {
        self.usable.values()
    }

    /// Those that were refused, and why.
    pub fn defective(&self) -> impl Iterator<Item = (&str, &AccountDefect)> {
        self.defective.iter().map(|(source, defect)| (source.as_str(), defect))
    }
}

fn account(platform: &'static Platform, source: &str, entry: Value) -> Result<Account, AccountDefect> {
    if !is_source_name(source) {
        return Err(AccountDefect::Name);
    }
    let Value::Object(mut entry) = entry else { return Err(AccountDefect::Account) };
    // A blank credential is reported as a weak one.
    let credential = take(&mut entry, platform.credential, true)?.ok_or(AccountDefect::Missing(platform.credential))?;
    let token = Token::new(credential).map_err(|weakness| AccountDefect::Weak(platform.credential, weakness))?;
    let shop = match platform.shop {
        None => None,
        Some(member) => match take(&mut entry, member.name, false)? {
            None if member.required => return Err(AccountDefect::Missing(member.name)),
            shop => shop,
        },
    };
    let base = take(&mut entry, "base_url", false)?;
    let base = BaseUrl::parse(base.as_deref().unwrap_or(platform.base_url)).map_err(AccountDefect::BaseUrl)?;
    if !entry.is_empty() {
        let shop = platform.shop.map(|member| member.name);
        let known: Vec<_> = [Some(platform.credential), shop, Some("base_url")].into_iter().flatten().collect();
        return Err(AccountDefect::Unknown(known.join(", ")));
    }
    Ok(Account { platform, source: source.to_owned(), token, shop, base })
}

/// Takes a member's text out; ids may be written as numbers.
fn take(entry: &mut Map<String, Value>, name: &'static str, blank: bool) -> Result<Option<String>, AccountDefect> {
    match entry.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if blank || !text.trim().is_empty() => Ok(Some(text)),
        Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string())),
        Some(_) => Err(AccountDefect::Text(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::{SCALAPAY, SCALEV, SELLDONE, SHOPLINE};

    #[track_caller]
    fn check(platform: &'static Platform, entry: &str, message: Option<&str>) {
        let secret = format!(r#"{{"accounts": {{"{}/tw": {entry}, "another/tw": {{}}}}}}"#, platform.name);
        let accounts = Accounts::parse(platform, &secret).unwrap();
        assert_eq!(accounts.get("tw").is_some(), message.is_none(), "{entry}");
        let said = accounts.defective().next().map(|(_, defect)| defect.to_string());
        assert_eq!(said.as_deref(), message, "{entry}");
        assert!(!format!("{accounts:?}").contains("q8Vq"));
    }

    #[test]
    fn accounts_are_read_or_refused_each_for_itself() {
        let short = r#""token" is empty or shorter than 12 characters"#;
        let plain = r#""base_url" is not https://host[:port][/path], nor http:// on this machine"#;
        for (platform, entry, message) in [
            (&SHOPLINE, r#"{"token": "q8Vq2b7xGkP4mZ1s", "handle": "shop"}"#, None),
            (&SHOPLINE, r#"{"token": "q8Vq2b7xGkP4mZ1s"}"#, Some(r#"the account has no "handle""#)),
            (&SHOPLINE, r#"{"handle": "shop"}"#, Some(r#"the account has no "token""#)),
            (&SHOPLINE, r#"{"token": "", "handle": "shop"}"#, Some(short)),
            (
                &SHOPLINE,
                r#"{"token": "YOUR_TOKEN_HERE", "handle": "s"}"#,
                Some(r#""token" is a sample from a document"#),
            ),
            (&SHOPLINE, r#"{"token": "q8Vq2b7xGkP4mZ1s", "handle": " "}"#, Some(r#""handle" is not text, or blank"#)),
            (&SELLDONE, r#"{"token": "q8Vq2b7xGkP4mZ1s", "shop_id": 1}"#, None),
            (&SELLDONE, r#"{"token": ["q8Vq2b7xGkP4mZ1s"], "shop_id": 1}"#, Some(r#""token" is not text, or blank"#)),
            (&SCALAPAY, r#"{"api_key": "q8Vq2b7xGkP4mZ1s", "base_url": "https://integration.api.scalapay.com"}"#, None),
            (&SCALAPAY, r#"{"api_key": "q8Vq2b7xGkP4mZ1s", "base_url": "http://a.example"}"#, Some(plain)),
            (
                &SCALAPAY,
                r#"{"api_key": "q8Vq2b7xGkP4mZ1s", "token": "x"}"#,
                Some("the account has a member that is none of: api_key, base_url"),
            ),
            (&SCALEV, r#"{"api_key": "sk_q8Vq2b7xGkP4mZ1s"}"#, None),
            (&SCALEV, r#""sk_q8Vq2b7xGkP4mZ1s""#, Some("the account is not an object")),
        ] {
            check(platform, entry, message);
        }
    }

    #[test]
    fn a_bad_secret_is_reported_by_place_without_its_value() {
        for (secret, message) in [
            ("", "the secret is empty: put {\"accounts\": {…}} into it"),
            ("{\"accounts\": hunter2}", "the secret is not JSON at line 1, column 14"),
            (r#"{"sources": {}}"#, "the secret is not of the form {\"accounts\": {\"<provider>/<source>\": {…}}}"),
            (
                r#"{"accounts": {"tw": {}}}"#,
                "the secret is not of the form {\"accounts\": {\"<provider>/<source>\": {…}}}",
            ),
            (r#"{"accounts": []}"#, "the secret is not of the form {\"accounts\": {\"<provider>/<source>\": {…}}}"),
        ] {
            assert_eq!(Accounts::parse(&SCALEV, secret).unwrap_err().to_string(), message);
        }
    }
}
