//! What to do at the provider, in the order that works.

use webhook::providers::Provider;
use webhook::scheme::SchemeName;

/// Why the source comes first: a receiver asks for its secret anew when a check fails, but once a minute at most.
pub const WAIT: &str = "Wait a minute: by then every running receiver takes what is new.";

type Steps = &'static [&'static str];

/// How a URL is entered, by provider and scheme. `{url}` is the URL.
const ENTER: &[(&str, SchemeName, Steps)] = &[
    (
        "scalev",
        SchemeName::Signed,
        &[
            "In Scalev's dashboard, Settings > Developers > Webhooks: enter {url} as the Webhook URL.",
            "Tick the events that you want, and set the toggle to active.",
            "Save: Scalev sends business.test_event and takes the settings only if that is answered 200.",
        ],
    ),
    (
        "scalapay",
        SchemeName::Signed,
        &[
            "In Scalapay's Partner Portal, Developers: enter {url} as the Webhook Url, in the environment (sandbox or \
             production) whose API key you gave.",
            "Every status is sent; there is nothing to choose.",
        ],
    ),
    (
        "shopline",
        SchemeName::Signed,
        &[
            "In SHOPLINE's Developer Center, your app > Deploy & release > Webhook: enter {url} and choose the topics.",
            "The app needs the scopes of the topics that it subscribes to.",
        ],
    ),
    (
        "shopline",
        SchemeName::UrlToken,
        &[
            "With the shop's API token: POST https://open.shopline.io/v1/webhooks, with this URL as its address and the \
             topics that you want: {url}",
            "Whoever knows this URL can send: keep it out of tickets and logs. It is not shown again.",
        ],
    ),
    (
        "selldone",
        SchemeName::UrlToken,
        &[
            "In Selldone's back office, Automation > Webhook: add a webhook of each type that you want with {url}",
            "Whoever knows this URL can send: keep it out of tickets and logs. It is not shown again.",
        ],
    ),
];

/// How a key is changed, after it stands in the secret.
const CHANGE: &[(&str, SchemeName, Steps)] = &[
    (
        "scalev",
        SchemeName::Signed,
        &["Nothing is to be entered: deliveries signed with either Signing Secret pass from now on."],
    ),
    (
        "scalapay",
        SchemeName::Signed,
        &["Nothing is to be entered: the API key is the key that Scalapay signs with, and both pass from now on."],
    ),
    (
        "shopline",
        SchemeName::Signed,
        &["Nothing is to be entered: deliveries signed with either app secret pass from now on."],
    ),
    (
        "shopline",
        SchemeName::UrlToken,
        &[
            "With the shop's API token: PUT https://open.shopline.io/v1/webhooks/<id>, with this URL as its address: {url}",
        ],
    ),
    (
        "selldone",
        SchemeName::UrlToken,
        &["In Selldone's back office, Automation > Webhook: change the URL of each webhook of this source to {url}"],
    ),
];

/// How a source's URL is entered at its provider.
pub fn enter(provider: &Provider, scheme: SchemeName, url: &str) -> Vec<String> {
    of(ENTER, provider, scheme, url)
}

/// What is to be done at the provider when a source has a new key.
pub fn change(provider: &Provider, scheme: SchemeName, url: &str) -> Vec<String> {
    of(CHANGE, provider, scheme, url)
}

fn of(table: &[(&str, SchemeName, Steps)], provider: &Provider, scheme: SchemeName, url: &str) -> Vec<String> {
    let found = table.iter().find(|(name, known, _)| *name == provider.name && *known == scheme);
    let steps = found.map(|(.., steps)| *steps).unwrap_or_default();
    std::iter::once(WAIT.to_owned()).chain(steps.iter().map(|step| step.replace("{url}", url))).collect()
}

#[cfg(test)]
mod tests {
    use webhook::providers::PROVIDERS;

    use super::*;

    #[test]
    fn every_scheme_of_every_provider_has_its_steps() {
        for provider in PROVIDERS {
            for (scheme, _) in provider.admission.schemes {
                let entered = enter(provider, *scheme, "https://u/x");
                assert!(entered.len() >= 2 && entered.iter().any(|step| step.contains("https://u/x")), "{entered:?}");
                assert!(change(provider, *scheme, "https://u/x").len() >= 2, "{}", provider.name);
            }
        }
        assert_eq!(ENTER.len(), PROVIDERS.iter().map(|provider| provider.admission.schemes.len()).sum::<usize>());
        assert_eq!(CHANGE.len(), ENTER.len());
    }
}
