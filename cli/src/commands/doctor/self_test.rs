//! Sends a signed test event, through URL, function and secret to its row.
//!
//! It is the same event every time, so a source keeps one row of it for ever, and its queues get it once.

use webhook::claim::EventKey;
use webhook::providers::Provider;
use webhook::signature::admit;
use webhook::source::Source;

use super::queues::depth;
use super::{Checkup, Finding};
use crate::terminal::error::Error;
use crate::work::apis::platform;
use crate::work::sending::Sender;
use stack::deployment::Queue;
use stack::history::fetch;
use stack::sources::SourceName;
use webhook::signing::{bare, path, sign};

/// Tests these sources, or all if none is named.
pub(super) async fn self_test(checkup: &Checkup<'_>, only: &[SourceName]) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let names = checkup.source_names().await;
    for name in
        names.into_iter().filter(|name| only.is_empty() || only.iter().any(|one| one.to_string() == name.to_string()))
    {
        let Some(body) = platform(name.provider)?.test_event else { continue };
        let sources = checkup.sources().await.get(name.provider.name).and_then(|sources| sources.as_ref().ok());
        // The check of the secrets reports an unusable one.
        let Some(source) = sources.and_then(|sources| sources.get(&name.source)) else { continue };
        let tested =
            test(checkup, name.provider, source, body.as_bytes().to_vec()).await.unwrap_or_else(Finding::unknown);
        findings.push(tested.about(name.to_string()));
    }
    if findings.is_empty() {
        findings.push(
            Finding::notice("no source's provider has a test event")
                .next("hookmill send events/<provider>/<sample>.json --source … sends a sample, which then is kept."),
        );
    }
    Ok(findings)
}

async fn test(
    checkup: &Checkup<'_>,
    provider: &'static Provider,
    source: &Source,
    body: Vec<u8>,
) -> Result<Finding, Error> {
    let context = checkup.context;
    let mut delivery = bare(body);
    let secret = source.credentials().first().ok_or_else(|| Error::problems("the source has no key"))?;
    sign(&provider.admission, source.scheme, secret, &mut delivery, context.clock.now_ms(), false)
        .map_err(|unsigned| Error::problems(format!("the test event cannot be signed: {unsigned}")))?;
    let key = {
        let verified = admit(&provider.admission, source, &delivery)
            .map_err(|refusal| Error::problems(format!("the test event is not valid here: {}", refusal.word())))?;
        EventKey::of(provider.name, &source.name, &provider.claim_of(&verified))
    };
    let store = context.store().await?;
    let before = store.load(&key).await?;
    let work = checkup.deployment().await?.queue(Queue::Work);
    let waiting = match work {
        Some(url) => depth(context, url).await.ok(),
        None => None,
    };
    let url = context.reachable(checkup.deployment().await?.url(provider)?);
    let url = format!("{url}{}", path(&source.name, &delivery));
    let answer = Sender::default().post(&url, &delivery.headers, delivery.body).await;
    let next = "hookmill doctor --only urls --only secrets --only functions says more; then read the receiver's log.";
    match answer.status {
        Ok(200) => {}
        Ok(401) => {
            return Ok(Finding::problem("a delivery that is signed with the secret's first key is refused").next(
                "The receiver looks for a new secret once a minute at the most: try again; then deploy the stack again.",
            ));
        }
        Ok(status) => return Ok(Finding::problem(format!("a signed test event is answered {status}")).next(next)),
        Err(why) => return Ok(Finding::problem(format!("a signed test event gets no answer: {why}")).next(next)),
    }
    let found = fetch(context, std::slice::from_ref(&key)).await?;
    let Some(kept) = found.first() else {
        return Ok(Finding::problem(format!("answered 200, and no row {} is there", key.id())).next(next));
    };
    if !kept.event.test {
        return Ok(Finding::problem(format!("the row {} is not read as a test", key.id())).next(next));
    }
    let fate = if before.is_some() { "known, so nothing was written" } else { "kept, and goes to the queues once" };
    let queue = waiting.map(|count| format!("; WorkQueue held {count} before")).unwrap_or_default();
    Ok(Finding::ok(format!("a signed test event was {fate}, after {} ms{queue}", answer.ms)))
}
