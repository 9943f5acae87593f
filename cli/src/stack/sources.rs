//! Sources on the command line and in the stack's secrets.

use std::str::FromStr;

use aws_sdk_secretsmanager::error::SdkError;
use clap::Args;
use webhook::providers::{PROVIDERS, Provider};
use webhook::source::{Sources, is_source_name};

use crate::stack::aws::failed;
use crate::stack::context::Context;
use crate::stack::index::{Order, Walk};
use crate::terminal::error::Error;
use crate::terminal::time::{LATEST_MS, Range};

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

impl std::fmt::Display for SourceName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.provider.name, self.source)
    }
}

/// A provider's sources, as its secret has them; none where the secret has no value yet.
pub async fn of_provider(context: &Context, provider: &'static Provider) -> Result<Sources, Error> {
    let secret = context.deployment().await?.secret(provider)?;
    let fetched = context.secrets_manager().get_secret_value().secret_id(secret).send().await;
    let text = match &fetched {
        Ok(output) => output.secret_string().unwrap_or_default(),
        // A secret that was made and not filled has no value to get.
        Err(SdkError::ServiceError(error)) if error.err().is_resource_not_found_exception() => "",
        Err(error) => return Err(failed(&format!("read the secret of {}", provider.name), error)),
    };
    if text.is_empty() {
        return Ok(Sources::default());
    }
    Sources::parse(&provider.admission, text).map_err(|defect| {
        Error::problems(format!("the secret of {} cannot be used: {defect}", provider.name))
            .next("Until it is put right, every delivery of this provider is answered 503.")
    })
}

/// Which sources are meant.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceArgs {
    /// Only this source
    #[arg(long, value_name = "PROVIDER/SOURCE", conflicts_with = "provider")]
    pub source: Option<SourceName>,
    /// Only this provider
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<ProviderName>,
}

/// Returns the selected sources: the one named, or all that the secrets have, of one provider or of every one.
pub async fn chosen(context: &Context, args: &SourceArgs) -> Result<Vec<SourceName>, Error> {
    if let Some(source) = &args.source {
        check_known(context, source).await?;
        return Ok(vec![source.clone()]);
    }
    let mut found = Vec::new();
    for known in PROVIDERS.into_iter().filter(|known| args.provider.is_none_or(|wanted| wanted.0.name == known.name)) {
        let sources = of_provider(context, known).await.map_err(|error| match &error.next {
            Some(_) => error.and_next("Or name one source with --source."),
            None => error,
        })?;
        found.extend(sources.names().map(|source| SourceName { provider: known, source: source.to_owned() }));
    }
    Ok(found)
}

/// Returns an error for a source that the stack has never had: its secret does not name it and nothing is kept of it.
/// Where the secret may not be read, every source passes.
pub async fn check_known(context: &Context, name: &SourceName) -> Result<(), Error> {
    let Ok(known) = of_provider(context, name.provider).await else { return Ok(()) };
    let configured = known.get(&name.source).is_some() || known.defective().any(|(source, _)| *source == name.source);
    if configured || has_events(context, name).await? {
        return Ok(());
    }
    Err(unknown(&known, name))
}

/// The error for a source that the stack does not have.
pub fn unknown(known: &Sources, name: &SourceName) -> Error {
    let names: Vec<String> = known.names().map(|source| format!("{}/{source}", name.provider.name)).collect();
    let next = match names.as_slice() {
        [] => format!("{} has no source yet. To add this one: hookmill sources add {name}", name.provider.name),
        names => {
            format!("Sources of {} are: {}. hookmill sources list shows all.", name.provider.name, names.join(", "))
        }
    };
    Error::not_found(format!("the stack has no source {name}")).next(next)
}

/// Returns whether anything is kept of a source, which may have been removed since.
async fn has_events(context: &Context, name: &SourceName) -> Result<bool, Error> {
    let table = context.deployment().await?.events_table()?;
    let range = Range { from_ms: 0, to_ms: LATEST_MS };
    let mut walk = Walk::new(context.dynamodb(), table, std::slice::from_ref(name), range, Order::NewestFirst, 1);
    Ok(walk.next().await?.is_some())
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
