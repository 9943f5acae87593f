//! Steps at the provider, in the order that works.

use platforms::platform::SetUp;
use webhook::scheme::SchemeName;

use crate::terminal::error::Error;
use crate::work::apis::platform;
use stack::sources::SourceName;

/// The source comes first: a receiver fetches its secret again when a check fails, but once a minute at most.
pub const WAIT: &str = "Wait a minute: by then every running receiver takes what is new.";

/// Returns how a source's URL is entered at its provider.
pub fn enter(name: &SourceName, scheme: SchemeName, url: &str) -> Result<Vec<String>, Error> {
    steps(name, scheme, url, |set_up| set_up.enter)
}

/// Returns what is to be done at the provider when a source has a new key.
pub fn change(name: &SourceName, scheme: SchemeName, url: &str) -> Result<Vec<String>, Error> {
    steps(name, scheme, url, |set_up| set_up.change)
}

fn steps(
    name: &SourceName,
    scheme: SchemeName,
    url: &str,
    of: impl Fn(&SetUp) -> &'static [&'static str],
) -> Result<Vec<String>, Error> {
    let found = platform(name.provider)?.set_up.iter().find(|set_up| set_up.scheme == scheme);
    let filled = |step: &&str| step.replace("{url}", url).replace("{source}", &name.to_string());
    Ok(std::iter::once(WAIT.to_owned()).chain(found.map(of).unwrap_or_default().iter().map(filled)).collect())
}

#[cfg(test)]
mod tests {
    use webhook::providers::PROVIDERS;

    use super::*;

    #[test]
    fn every_scheme_of_every_provider_has_its_steps() {
        for (provider, scheme) in
            PROVIDERS.into_iter().flat_map(|one| one.admission.schemes.iter().map(move |(s, _)| (one, *s)))
        {
            let name = SourceName { provider, source: "x".to_owned() };
            let entered = enter(&name, scheme, "https://u/x").unwrap();
            assert!(entered.len() >= 2 && entered.iter().any(|step| step.contains("https://u/x")), "{entered:?}");
            let changed = change(&name, scheme, "https://u/x").unwrap();
            assert!(changed.len() >= 2, "{}", provider.name);
            assert!(!entered.iter().chain(&changed).any(|step| step.contains('{')), "{entered:?} {changed:?}");
        }
    }
}
