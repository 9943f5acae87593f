//! Compares the webhooks that the providers have registered with those that should be.

use platforms::check::{Severity, check};
use webhook::providers::PROVIDERS;

use super::{Checkup, Finding, listed};
use crate::terminal::error::Error;
use crate::work::apis::{Api, address_of, api_failed, of_platform};

pub(super) async fn providers(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for provider in PROVIDERS {
        let (apis, defects) = of_platform(checkup.context, provider).await?;
        let next = "hookmill accounts set writes it in the form that is read here.";
        findings.extend(defects.into_iter().map(|defect| Finding::problem(defect).next(next).about(provider.name)));
        for api in apis {
            let about = api.name.to_string();
            let looked = look_at(checkup, &api).await.unwrap_or_else(|error| vec![Finding::unknown(error)]);
            findings.extend(looked.into_iter().map(|finding| finding.about(&about)));
        }
    }
    if findings.is_empty() {
        findings.push(
            Finding::notice("no account is set up, so what the providers have registered is not checked")
                .next("With the credentials for their APIs it is: hookmill accounts set <provider>/<source>"),
        );
    }
    Ok(findings)
}

async fn look_at(checkup: &Checkup<'_>, api: &Api) -> Result<Vec<Finding>, Error> {
    let platform = api.account.platform;
    if let Some(by_hand) = platform.by_hand {
        return Ok(vec![Finding::notice("its webhooks are registered by hand, and no API lists them").next(by_hand)]);
    }
    let sources = checkup.sources().await.get(platform.name);
    let is_set_up = match sources {
        Some(Ok(sources)) => sources.get(&api.name.source).is_some(),
        Some(Err(error)) => return Err(error.clone()),
        None => false,
    };
    if !is_set_up {
        return Ok(vec![
            Finding::warning("it has an account, but is not a usable source")
                .next(format!("hookmill sources add {}", api.name)),
        ]);
    }
    let ours = address_of(checkup.context, &api.name).await?;
    let list = api.client.subscriptions().await.map_err(|error| api_failed(&error))?;
    let found = check(&ours, &(platform.topics)(), &list);
    if found.is_empty() {
        let ids: Vec<String> = list.iter().map(|one| one.id.clone()).collect();
        return Ok(vec![Finding::ok(format!("its webhooks come here: {}", listed(&ids)))]);
    }
    let finding = |found: &platforms::check::SubscriptionFinding| {
        let finding = match found.severity() {
            Severity::Notice => Finding::notice(found.message()),
            Severity::Warning => Finding::warning(found.message()),
            Severity::Alarm => Finding::problem(found.message()),
        };
        finding.next(found.next_step(&api.name.to_string()))
    };
    Ok(found.iter().map(finding).collect())
}
