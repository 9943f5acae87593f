//! `hookmill sources`: who may send, in the receivers' secrets.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use webhook::providers::Provider;
use webhook::scheme::SchemeName;
use webhook::secret::Secret;
use webhook::source::{Source, Sources as Known};

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::keys::{new_token, read_key};
use crate::terminal::output::Paint;
use stack::secret::{self, SecretName};
use stack::sources::SourceName;
use webhook::signing;

pub mod add;
pub mod list;
pub mod remove;
pub mod rotate;
pub mod steps;

/// Commands about sources.
#[derive(Debug, Subcommand)]
pub enum SourcesCommand {
    /// List sources with their schemes, keys by fingerprint, and URLs
    List(list::SourceListArgs),
    /// Add a source; prints its URL and how to enter it at the provider
    Add(add::AddArgs),
    /// Change a source's key or URL token in two steps; deliveries pass throughout
    Rotate(rotate::RotateArgs),
    /// Remove a source: a dry run without --yes
    Remove(remove::SourceRemoveArgs),
}

pub async fn run(context: &Context, command: SourcesCommand) -> Result<Exit, Error> {
    match command {
        SourcesCommand::List(args) => list::run(context, args).await,
        SourcesCommand::Add(args) => add::run(context, args).await,
        SourcesCommand::Rotate(args) => rotate::run(context, args).await,
        SourcesCommand::Remove(args) => remove::run(context, args).await,
    }
}

/// The origin of a key that the provider made.
#[derive(Debug, Clone, Default, Args)]
pub struct KeyArgs {
    /// Take the key from this environment variable; a key is never given on the command line
    #[arg(long, value_name = "NAME", conflicts_with = "key_stdin")]
    pub key_env: Option<String>,
    /// Take the key from standard input
    #[arg(long)]
    pub key_stdin: bool,
}

/// Changes a provider's secret. `usable` names the source that the receivers must be able to use afterwards.
async fn edit<T>(
    context: &Context,
    provider: &'static Provider,
    usable: Option<&str>,
    change: impl Fn(&mut Map<String, Value>) -> Result<T, Error>,
) -> Result<T, Error> {
    let called = called(provider);
    let place = SecretName { id: context.deployment().await?.secret(provider)?, called: &called };
    secret::edit(context, place, change, |text| accept(provider, usable, text)).await
}

fn called(provider: &Provider) -> String {
    format!("the secret of {}", provider.name)
}

/// Returns an error unless the receivers would load a secret and use a source in it.
fn accept(provider: &Provider, usable: Option<&str>, text: &str) -> Result<(), Error> {
    let refuse = |why: String| {
        Error::problems(why).next("Nothing was changed. Mend the secret by hand where the rest of it is at fault.")
    };
    let known = Known::parse(&provider.admission, text)
        .map_err(|defect| refuse(format!("{} would not be usable: {defect}", called(provider))))?;
    let Some(name) = usable else { return Ok(()) };
    match known.defective().find(|(source, _)| *source == name) {
        Some((_, defect)) => Err(refuse(format!("the source {}/{name} would not be usable: {defect}", provider.name))),
        None => Ok(()),
    }
}

/// The sources' own object in a secret.
fn entries<'a>(document: &'a mut Map<String, Value>, provider: &Provider) -> Result<&'a mut Map<String, Value>, Error> {
    secret::object(document, "sources", &called(provider))
}

/// The member of a source that holds its keys or tokens, and what one of them is called.
fn credentials_of(scheme: SchemeName) -> (&'static str, &'static str) {
    match scheme {
        SchemeName::Signed => ("signing_keys", "key"),
        SchemeName::UrlToken => ("url_tokens", "URL token"),
    }
}

/// The scheme's word on the command line.
fn word(scheme: SchemeName) -> &'static str {
    match scheme {
        SchemeName::Signed => "signed",
        SchemeName::UrlToken => "url-token",
    }
}

/// The URL that is entered at the provider; without its token where none is given.
async fn url(context: &Context, name: &SourceName, token: Option<&Secret>) -> Result<String, Error> {
    let base = context.reachable(context.deployment().await?.url(name.provider)?);
    let delivery = webhook::request::Delivery { url_token: token.cloned(), ..signing::bare(Vec::new()) };
    Ok(format!("{base}{}", signing::path(&name.source, &delivery)))
}

/// A source that can be used.
fn known<'a>(sources: &'a Known, name: &SourceName) -> Result<&'a Source, Error> {
    if let Some(source) = sources.get(&name.source) {
        return Ok(source);
    }
    match sources.defective().find(|(source, _)| *source == name.source) {
        Some((_, defect)) => Err(Error::problems(format!("the source {name} cannot be used: {defect}"))
            .next("Its deliveries are answered 503. Mend its entry by hand, or remove the source and add it again.")),
        None => Err(unknown(name)),
    }
}

fn unknown(name: &SourceName) -> Error {
    Error::not_found(format!("the stack has no source {name}")).next("hookmill sources list shows those that it has.")
}

/// Returns the key that was given, without spaces and line breaks around it, or a new URL token if none is needed. A key
/// that is longer than the provider's by a line break would refuse every delivery.
fn key(context: &Context, args: &KeyArgs, provider: &Provider, scheme: SchemeName) -> Result<Secret, Error> {
    let (_, called) = credentials_of(scheme);
    match (read_key(args.key_env.as_deref(), args.key_stdin, called)?, scheme) {
        (Some(given), _) => {
            let key = alone(&given, called)?;
            if key != given {
                context.output.note(&format!("Left out spaces or line breaks around the {called}."));
            }
            Ok(key)
        }
        (None, SchemeName::UrlToken) => new_token(),
        (None, SchemeName::Signed) => Err(Error::usage(format!("{} signs with a key of its own", provider.name))
            .next("Give it as the provider shows it: --key-env NAME or --key-stdin.")),
    }
}

/// Returns a key without what a terminal or a file put around it.
fn alone(given: &Secret, called: &str) -> Result<Secret, Error> {
    let key = given.reveal().trim();
    if key.is_empty() {
        return Err(Error::usage(format!("the {called} is blank")));
    }
    if key.chars().any(char::is_control) {
        return Err(Error::usage(format!("the {called} holds a line break or another control character"))
            .next(format!("Give the {called} alone, as the provider shows it.")));
    }
    Ok(Secret::new(key))
}

/// Shows a source, its properties and the next steps.
fn summary_text(source: &str, rows: &[(&str, &str)], steps: &[String], paint: Paint) -> String {
    let row = |(name, value): &(&str, &str)| format!("  {}  {value}", paint.dim(&format!("{name:<6}")));
    let lines = std::iter::once(paint.bold(source)).chain(rows.iter().map(row)).chain(std::iter::once(String::new()));
    let steps = steps.iter().zip(1..).map(|(step, number)| format!("{number}. {step}"));
    lines.chain(steps).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_without_what_surrounds_it() {
        for (given, taken) in
            [("a key\n", Some("a key")), (" a key \r\n", Some("a key")), (" \n", None), ("a\nkey", None)]
        {
            let key = alone(&Secret::new(given), "key").ok();
            assert_eq!(key.as_ref().map(|key| key.reveal()), taken, "{given:?}");
        }
    }
}
