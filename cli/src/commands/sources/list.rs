//! `hookmill sources list`.

use clap::Args;
use serde::Serialize;
use webhook::providers::PROVIDERS;
use webhook::scheme::SchemeName;
use webhook::source::{Merchants, Sources};

use super::{unknown, url, word};
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::Paint;
use crate::work::selection::SourceArgs;
use stack::sources::{SourceName, of_provider};

#[derive(Debug, Clone, Args)]
pub struct SourceListArgs {
    #[command(flatten)]
    pub sources: SourceArgs,
}

#[derive(Debug, Clone, Serialize)]
pub struct SourceLine {
    /// Provider and source.
    pub source: String,
    /// The scheme of its deliveries; `None` if it cannot be used.
    pub scheme: Option<&'static str>,
    /// Its keys or URL tokens by fingerprint, the newest first.
    pub keys: Vec<String>,
    /// Whose deliveries are accepted; empty for anybody's.
    pub merchants: Vec<String>,
    /// True if the URL belongs to an app of several merchants.
    pub several_merchants: bool,
    /// The URL that the provider calls, without its token.
    pub url: String,
    /// The defect for which it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defect: Option<String>,
    /// True if refused deliveries can be verified again after secrets were redacted from their bodies.
    pub seals: bool,
}

/// Lists sources.
pub async fn run(context: &Context, args: SourceListArgs) -> Result<Exit, Error> {
    let provider = args.sources.source.as_ref().map(|source| source.provider.name);
    let provider = provider.or(args.sources.provider.map(|provider| provider.0.name));
    let mut lines = Vec::new();
    for known in PROVIDERS.into_iter().filter(|known| provider.is_none_or(|wanted| wanted == known.name)) {
        let sources = of_provider(context, known).await?;
        if let Some(defect) = sources.quarantine_key_defect() {
            context.output.note(&format!("In the secret of {}, {defect}.", known.name));
        }
        for name in sources.names() {
            let name = SourceName { provider: known, source: name.to_owned() };
            if args.sources.source.as_ref().is_none_or(|wanted| wanted.source == name.source) {
                lines.push(line(context, &sources, &name).await?);
            }
        }
    }
    if let (Some(wanted), true) = (&args.sources.source, lines.is_empty()) {
        return Err(unknown(wanted));
    }
    context.output.list(&lines, &COLUMNS, cells)?;
    if lines.is_empty() {
        context.output.note("No source is set up: hookmill sources add PROVIDER/SOURCE");
    }
    let defective = lines.iter().any(|line| line.defect.is_some());
    Ok(if defective { Exit::Problems } else { Exit::Ok })
}

async fn line(context: &Context, sources: &Sources, name: &SourceName) -> Result<SourceLine, Error> {
    let defect = sources.defective().find(|(source, _)| *source == name.source);
    let source = sources.get(&name.source);
    let mut url = url(context, name, None).await?;
    if source.is_some_and(|source| source.scheme == SchemeName::UrlToken) {
        url.push_str("/<token>");
    }
    Ok(SourceLine {
        source: name.to_string(),
        scheme: source.map(|source| word(source.scheme)),
        keys: source
            .map(|source| source.credentials().iter().map(|key| key.fingerprint()).collect())
            .unwrap_or_default(),
        merchants: match source.map(|source| &source.merchants) {
            Some(Merchants::Only(list)) => list.clone(),
            Some(Merchants::Any) | None => Vec::new(),
        },
        several_merchants: source.is_some_and(|source| source.several_merchants),
        url,
        defect: defect.map(|(_, defect)| defect.to_string()),
        seals: sources.quarantine_key().is_some(),
    })
}

const COLUMNS: [&str; 5] = ["source", "scheme", "keys", "merchants", "URL"];

fn cells(line: &SourceLine, paint: Paint) -> Vec<String> {
    let scheme = match (&line.scheme, &line.defect) {
        (Some(scheme), _) => (*scheme).to_owned(),
        (None, defect) => paint.bad(defect.as_deref().unwrap_or("cannot be used")),
    };
    let merchants = match (line.merchants.is_empty(), line.several_merchants) {
        (true, false) => "any".to_owned(),
        (true, true) => "any, several".to_owned(),
        (false, _) => line.merchants.join(","),
    };
    vec![line.source.clone(), scheme, line.keys.join(","), merchants, line.url.clone()]
}
