//! The providers' own APIs: whose account is called, and what a failed call means for the operator.

use platforms::address::WebhookAddress;
use platforms::{Account, Accounts, ApiError, Cause, Client, Limits, Platform, RetryTimer, Settings};
use webhook::providers::Provider;
use webhook::scheme::SchemeName;
use webhook::signing;
use webhook::source::Source;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use stack::secret::{self, SecretName};
use stack::sources::{SourceName, of_provider};

/// One source's account with its provider.
#[derive(Debug)]
pub struct Api {
    /// The source.
    pub name: SourceName,
    pub account: Account,
    /// The calls.
    pub client: Box<dyn Client>,
}

impl Api {
    /// The API of a source.
    pub async fn of(context: &Context, name: &SourceName) -> Result<Self, Error> {
        let platform = platform(name.provider)?;
        let accounts = accounts(context, platform).await?;
        if let Some((_, defect)) = accounts.defective().find(|(source, _)| *source == name.source) {
            return Err(Error::deployment(format!("the account of {name} cannot be used: {defect}"))
                .next(format!("Set it again: hookmill accounts set {name}")));
        }
        match accounts.get(&name.source) {
            Some(account) => Api::new(context, name.clone(), account.clone()),
            None => Err(no_account(name)),
        }
    }

    fn new(context: &Context, name: SourceName, account: Account) -> Result<Self, Error> {
        let client = account.client(settings(context)).map_err(|error| api_failed(&error))?;
        Ok(Api { name, account, client })
    }
}

/// The sources of a provider that have an account, and those whose account cannot be used, in words.
pub async fn of_platform(context: &Context, provider: &'static Provider) -> Result<(Vec<Api>, Vec<String>), Error> {
    let accounts = accounts(context, platform(provider)?).await?;
    let name = |source: &str| SourceName { provider, source: source.to_owned() };
    let apis = accounts.usable().map(|account| Api::new(context, name(&account.source), account.clone()));
    let defects = accounts.defective();
    let defects = defects.map(|(source, defect)| format!("the account of {} cannot be used: {defect}", name(source)));
    Ok((apis.collect::<Result<_, _>>()?, defects.collect()))
}

/// The provider's API.
pub fn platform(provider: &Provider) -> Result<&'static Platform, Error> {
    Platform::named(provider.name).ok_or_else(|| Error::usage(format!("this build knows no API of {}", provider.name)))
}

/// Whatever the accounts' secret holds for a provider; nothing where it has no value yet.
async fn accounts(context: &Context, platform: &'static Platform) -> Result<Accounts, Error> {
    let place = SecretName { id: context.deployment().await?.accounts_secret()?, called: "the secret of the accounts" };
    let text = secret::read(context, place).await?.text;
    if text.trim().is_empty() {
        return Ok(Accounts::default());
    }
    Accounts::parse(platform, &text).map_err(|defect| {
        Error::deployment(format!("the accounts' secret cannot be used: {defect}"))
            .next("hookmill accounts set <provider>/<source> writes it in the form that is read here.")
    })
}

fn no_account(name: &SourceName) -> Error {
    let from = Platform::named(name.provider.name).map(|platform| platform.credential_from).unwrap_or_default();
    Error::deployment(format!("{name} has no account with its provider's API"))
        .next(format!("Make a credential ({from}), then: hookmill accounts set {name}"))
}

/// The limits are the platforms' own; time is the context's.
fn settings(context: &Context) -> Settings {
    let (time, sleep) = (context.clock.time_source(), context.clock.clone());
    let waits = move |duration| {
        let clock = sleep.clone();
        async move { clock.sleep(duration).await }
    };
    Settings { limits: Limits::default(), timer: RetryTimer::of(move || time.now(), waits) }
}

/// Explains a failed call.
pub fn api_failed(error: &ApiError) -> Error {
    let next = error.next_step();
    let text = error.to_string();
    let message = text.strip_suffix(&format!(". {next}")).unwrap_or(&text);
    Error::new(kind(&error.cause), message).next(next)
}

fn kind(cause: &Cause) -> Exit {
    match cause {
        Cause::Unauthorized { .. } => Exit::Deployment,
        Cause::NotFound | Cause::Gone => Exit::NotFound,
        Cause::Refused { .. } | Cause::Argument { .. } | Cause::NotOffered { .. } => Exit::Usage,
        Cause::RateLimited { .. }
        | Cause::Failing { .. }
        | Cause::Redirected { .. }
        | Cause::NotJson { .. }
        | Cause::Empty
        | Cause::TooLong { .. }
        | Cause::Form { .. }
        | Cause::TimedOut { .. }
        | Cause::Connect { .. }
        | Cause::Disconnected { .. } => Exit::Service,
    }
}

/// The source as its receiver has it.
pub async fn registered(context: &Context, name: &SourceName) -> Result<Source, Error> {
    let sources = of_provider(context, name.provider).await?;
    sources.get(&name.source).cloned().ok_or_else(|| {
        let why = if sources.is_defective(&name.source) { "cannot be used" } else { "is not set up" };
        Error::deployment(format!("the source {name} {why} in the secret of {}", name.provider.name))
            .next("Its receiver would refuse every delivery: set the source up first.")
    })
}

/// Returns the address for a source's webhooks, its URL token included.
pub async fn address_of(context: &Context, name: &SourceName) -> Result<WebhookAddress, Error> {
    let source = registered(context, name).await?;
    let url = context.reachable(context.deployment().await?.url(name.provider)?);
    let mut delivery = signing::bare(Vec::new());
    delivery.url_token = match source.scheme {
        SchemeName::UrlToken => source.url_tokens.first().cloned(),
        SchemeName::Signed => None,
    };
    Ok(WebhookAddress::new(format!("{url}{}", signing::path(&name.source, &delivery))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_exit_and_one_next_step() {
        let failed = |cause| {
            api_failed(&ApiError {
                provider: "shopline",
                operation: "list webhooks",
                attempts: 2,
                may_have_happened: false,
                cause,
                said: Some("No.".to_owned()),
            })
        };
        for (cause, kind) in [
            (Cause::Unauthorized { status: 401 }, Exit::Deployment),
            (Cause::NotFound, Exit::NotFound),
            (Cause::Gone, Exit::NotFound),
            (Cause::RateLimited { retry_after: None }, Exit::Service),
            (Cause::NotJson { html: true }, Exit::Service),
            (Cause::Refused { status: 422 }, Exit::Usage),
        ] {
            let error = failed(cause);
            assert_eq!(error.kind, kind);
            assert!(error.message.ends_with(": \"No.\", after 2 attempts"), "{error}");
            assert!(error.next.is_some_and(|next| !error.message.contains(&next)));
        }
    }
}
