//! `hookmill sources add`.

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};
use webhook::scheme::SchemeName;
use webhook::secret::{QuarantineKey, Secret};

use super::steps::enter;
use super::{KeyArgs, credentials_of, edit, entries, key, summary_text, url, word};
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::keys::new_quarantine_key;
use crate::terminal::output::Paint;
use crate::work::apis::platform;
use crate::work::delivering::{SchemeWord, only_scheme};
use stack::sources::SourceName;

#[derive(Debug, Clone, Args)]
pub struct AddArgs {
    /// The new source; its name is part of its URL and of every event's id, so choose it once
    #[arg(value_name = "PROVIDER/SOURCE")]
    pub name: SourceName,
    /// Proof of its deliveries, if the provider has several schemes
    #[arg(long, value_name = "SCHEME")]
    pub scheme: Option<SchemeWord>,
    /// The provider's key; without one a URL token is made.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Accept this merchant's deliveries only, by the provider's own id; may be repeated
    #[arg(long = "merchant", value_name = "ID")]
    pub merchants: Vec<String>,
    /// Accept any merchant's deliveries
    #[arg(long, conflicts_with = "merchants")]
    pub any_merchant: bool,
    /// The URL belongs to an app of several merchants; part of event ids, so it never changes
    #[arg(long)]
    pub several_merchants: bool,
}

/// A source that was added.
#[derive(Debug, Clone, Serialize)]
pub struct Added {
    /// Provider and source.
    pub source: String,
    /// The scheme of its deliveries.
    pub scheme: &'static str,
    /// Its key or URL token by fingerprint.
    pub fingerprint: String,
    /// The URL to enter at the provider, with its token if it has one: shown only now.
    pub url: String,
    /// The next steps, in order.
    pub steps: Vec<String>,
}

/// Adds a source.
pub async fn run(context: &Context, args: AddArgs) -> Result<Exit, Error> {
    let scheme = scheme(&args)?;
    check_merchants(&args)?;
    let key = key(context, &args.key, args.name.provider, scheme)?;
    let token = Some(&key).filter(|_| scheme == SchemeName::UrlToken);
    let url = url(context, &args.name, token).await?;
    let quarantine_key = new_quarantine_key()?;
    let name = &args.name;
    let sealing = edit(context, name.provider, Some(&name.source), |document| {
        add(document, &args, scheme, &key, &quarantine_key)
    })
    .await?;
    if let Some(note) = sealing {
        context.output.note(&note);
    }
    let steps = enter(name, scheme, &url)?.iter().map(|step| context.output.hint(step)).collect();
    let fingerprint = key.fingerprint();
    let added = Added { source: name.to_string(), scheme: word(scheme), fingerprint, url, steps };
    context.output.print(&added, text)?;
    Ok(Exit::Ok)
}

fn scheme(args: &AddArgs) -> Result<SchemeName, Error> {
    let provider = args.name.provider;
    match (args.scheme.map(SchemeName::from), only_scheme(provider)) {
        (Some(scheme), _) if provider.admission.scheme(scheme).is_none() => {
            let known: Vec<&str> = provider.admission.schemes.iter().map(|(known, _)| word(*known)).collect();
            Err(Error::usage(format!("{} has no scheme {}", provider.name, word(scheme)))
                .next(format!("It has: {}", known.join(", "))))
        }
        (Some(scheme), _) => Ok(scheme),
        (None, Some(only)) => Ok(only),
        (None, None) => Err(Error::usage(format!("how {} proves its deliveries is not said", args.name)).next(
            "--scheme signed where the provider signs them (an app's webhooks); --scheme url-token where it does not (a \
             merchant's own webhooks).",
        )),
    }
}

/// Checks that it is specified whose deliveries are accepted, if deliveries say whose they are.
fn check_merchants(args: &AddArgs) -> Result<(), Error> {
    let (name, title) = (&args.name, platform(args.name.provider)?.title);
    match (platform(name.provider)?.names_merchant, args.merchants.as_slice()) {
        (false, []) => Ok(()),
        (false, _) => {
            Err(Error::usage(format!("deliveries of {title} name no merchant, so --merchant can check nothing"))
                .next("Leave it out, or say so with --any-merchant: the credential alone proves whose they are."))
        }
        (true, []) if !args.any_merchant => Err(Error::usage(format!(
            "whose deliveries {name} accepts is not specified"
        ))
        .next("--merchant ID accepts one shop's, by the id that the provider gives it; --any-merchant accepts all.")),
        (true, _) => Ok(()),
    }
}

/// Adds the entry, and a key for the quarantine if there is none. Returns what to report about that.
fn add(
    document: &mut Map<String, Value>,
    args: &AddArgs,
    scheme: SchemeName,
    key: &Secret,
    quarantine_key: &QuarantineKey,
) -> Result<Option<String>, Error> {
    let name = &args.name;
    let entries = entries(document, name.provider)?;
    if entries.contains_key(&name.source) {
        return Err(Error::problems(format!("the stack has a source {name} already")).next(
            "Nothing was changed. For another key, or a URL that was lost: hookmill sources rotate; else choose another \
             name.",
        ));
    }
    let (member, _) = credentials_of(scheme);
    let merchants = if args.merchants.is_empty() { json!("any") } else { json!(args.merchants) };
    let scheme = match scheme {
        SchemeName::Signed => "signed",
        SchemeName::UrlToken => "url_token",
    };
    let mut entry = json!({"scheme": scheme, member: [key.reveal()], "merchants": merchants});
    if let (true, Some(entry)) = (args.several_merchants, entry.as_object_mut()) {
        entry.insert("several_merchants".to_owned(), Value::Bool(true));
    }
    entries.insert(name.source.clone(), entry);
    match document.get("quarantine_key") {
        None | Some(Value::Null) => {
            document.insert("quarantine_key".to_owned(), Value::String(quarantine_key.to_text()));
            Ok(None)
        }
        Some(Value::String(text)) if QuarantineKey::from_text(text).is_some() => Ok(None),
        Some(_) => Ok(Some(format!(
            "quarantine_key in the secret of {} is not 32 random bytes in base64url: it was left as it is, and refused \
             bodies are not sealed.",
            name.provider.name
        ))),
    }
}

fn text(added: &Added, paint: Paint) -> String {
    let rows = [("scheme", added.scheme), ("key", added.fingerprint.as_str()), ("URL", added.url.as_str())];
    summary_text(&added.source, &rows, &added.steps, paint)
}
