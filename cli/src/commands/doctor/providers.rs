//! What the providers have registered, compared with what should come.

use std::collections::BTreeMap;

use platforms::address::Address;
use platforms::check::{Severity, check};
use platforms::platform::PLATFORMS;
use platforms::{Account, Accounts, Client, Settings};
use webhook::source::{SchemeName, Source};

use super::{Finding, Patient, listed};
use crate::aws::failed_for;
use crate::error::{Error, Exit};
use crate::signing::{bare, path};

pub(super) async fn providers(patient: &Patient<'_>) -> Result<Vec<Finding>, Error> {
    let Some(secret) = accounts_secret(patient).await? else {
        return Ok(vec![
            Finding::notice("no account is set up, so what the providers have registered is not looked at").next(
                "With the credentials for their APIs in the stack's AccountsSecret it is: hookmill accounts add …",
            ),
        ]);
    };
    let mut findings = Vec::new();
    for platform in PLATFORMS {
        match Accounts::parse(platform, &secret) {
            Err(defect) => {
                let told = format!("the secret with the accounts cannot be used: {defect}");
                return Ok(vec![Finding::problem(told).next("The README shows its form.")]);
            }
            Ok(accounts) => {
                for (source, defect) in accounts.defective() {
                    let told = Finding::problem(format!("the account cannot be used: {defect}"));
                    let next = "Mend it in the stack's AccountsSecret.";
                    findings.push(told.next(next).about(format!("{}/{source}", platform.name)));
                }
                for account in accounts.usable() {
                    let about = format!("{}/{}", platform.name, account.source);
                    let looked = look_at_account(patient, account).await;
                    let looked = looked.unwrap_or_else(|error| vec![Finding::unknown(error)]);
                    findings.extend(looked.into_iter().map(|finding| finding.about(&about)));
                }
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::notice("the secret with the accounts has none"));
    }
    Ok(findings)
}

/// The secret's value; none where it has none yet.
async fn accounts_secret(patient: &Patient<'_>) -> Result<Option<String>, Error> {
    let secret = patient.deployment().await?.accounts_secret()?;
    match patient.context.secrets_manager().get_secret_value().secret_id(secret).send().await {
        Ok(output) => Ok(output.secret_string.filter(|text| !text.is_empty())),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => Ok(None),
        Err(error) => Err(failed_for("secretsmanager:GetSecretValue", "read the secret with the accounts", &error)),
    }
}

async fn look_at_account(patient: &Patient<'_>, account: &Account) -> Result<Vec<Finding>, Error> {
    let platform = account.platform;
    if let Some(by_hand) = platform.by_hand {
        return Ok(vec![Finding::notice("its webhooks are registered by hand, and no API lists them").next(by_hand)]);
    }
    let sources = patient.sources().await.get(platform.name);
    let source = match sources {
        Some(Ok(sources)) => sources.get(&account.source),
        Some(Err(error)) => return Err(error.clone()),
        None => None,
    };
    let Some(source) = source else {
        return Ok(vec![
            Finding::warning("it has an account, but is no source that can be used")
                .next(format!("hookmill sources add {}/{}", platform.name, account.source)),
        ]);
    };
    let ours = address(patient, platform.name, source).await?;
    let client = Client::new(account, Settings::default()).map_err(|error| told(&error))?;
    let list = client.subscriptions().await.map_err(|error| told(&error))?;
    let found = check(&ours, &(platform.topics)(), &list);
    if found.is_empty() {
        let ids: Vec<String> = list.iter().map(|one| one.id.clone()).collect();
        return Ok(vec![Finding::ok(format!("its webhooks come here: {}", listed(&ids)))]);
    }
    let finding = |found: &platforms::check::Finding| {
        let finding = match found.severity() {
            Severity::Notice => Finding::notice(found.message()),
            Severity::Warning => Finding::warning(found.message()),
            Severity::Alarm => Finding::problem(found.message()),
        };
        finding.next(found.next_step())
    };
    Ok(found.iter().map(finding).collect())
}

/// Where a source's deliveries go, its token included; shown without.
async fn address(patient: &Patient<'_>, provider: &str, source: &Source) -> Result<Address, Error> {
    let provider =
        webhook::providers::Provider::named(provider).ok_or_else(|| Error::not_found("there is no such provider"))?;
    let mut delivery = bare(Vec::new());
    delivery.headers = BTreeMap::new();
    if source.scheme == SchemeName::UrlToken {
        delivery.url_token = source.url_tokens.first().cloned();
    }
    let base = patient.deployment().await?.url(provider)?;
    Ok(Address::new(format!("{base}{}", path(&source.name, &delivery))))
}

/// A failed call to a provider; its words end with the next step, which has a place of its own here.
fn told(error: &platforms::Error) -> Error {
    let next = error.next_step();
    let message = error.to_string();
    let message = message.strip_suffix(&next).unwrap_or(&message).trim_end_matches(['.', ' ']).to_owned();
    Error::new(Exit::Service, message).next(next)
}
