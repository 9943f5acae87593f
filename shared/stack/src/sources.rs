//! Sources on the command line and in the stack's secrets.

use std::str::FromStr;

use edge::keep::time_index::SourceId;
use webhook::providers::{PROVIDERS, Provider};
use webhook::source::{Sources, is_source_name};

use crate::connection::Stack;
use crate::error::Error;
use crate::secret::{self, SecretName};

/// One source of one provider: `<provider>/<source>`.
#[derive(Debug, Clone)]
pub struct SourceName {
    /// The provider.
    pub provider: &'static Provider,
    /// The source's name, as in its URL.
    pub source: String,
}

/// A provider named on the command line.
#[derive(Debug, Clone, Copy)]
pub struct ProviderName(pub &'static Provider);

impl FromStr for ProviderName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || PROVIDERS.map(|provider| provider.name).join(", ");
        Provider::named(text).map(ProviderName).ok_or_else(|| format!("a provider is one of {}", known()))
    }
}

impl FromStr for SourceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (provider, source) = text
            .split_once('/')
            .ok_or_else(|| format!("a source is <provider>/<source>, such as {}/main", PROVIDERS[0].name))?;
        let ProviderName(provider) = provider.parse()?;
        if !is_source_name(source) {
            return Err("a source's name is 1 to 64 of a-z, 0-9, '-' and '_'".to_owned());
        }
        Ok(SourceName { provider, source: source.to_owned() })
    }
}

impl SourceName {
    /// Returns the source as the events table names it.
    pub fn id(&self) -> SourceId {
        SourceId { provider: self.provider.name.to_owned(), source: self.source.clone() }
    }
}

impl std::fmt::Display for SourceName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.provider.name, self.source)
    }
}

/// A provider's sources, as its secret has them; none if the secret has no value yet.
pub async fn of_provider(stack: &Stack, provider: &'static Provider) -> Result<Sources, Error> {
    let id = stack.deployment().await?.secret(provider)?;
    let called = format!("the secret of {}", provider.name);
    let text = secret::read(stack, SecretName { id, called: &called }).await?.text;
    if text.is_empty() {
        return Ok(Sources::default());
    }
    Sources::parse(&provider.admission, &text).map_err(|defect| {
        Error::problems(format!("the secret of {} cannot be used: {defect}", provider.name))
            .next("Until it is put right, every delivery of this provider is answered 503.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_named_with_their_provider() {
        let parse = |text: &str| text.parse::<SourceName>().map(|source| source.to_string());
        assert_eq!(parse("shopline/tw").unwrap(), "shopline/tw");
        for text in ["tw", "nobody/tw", "shopline/", "shopline/a/b", "shopline/A"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
