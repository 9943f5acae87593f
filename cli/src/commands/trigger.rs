//! `hookmill trigger`: a built-in sample, signed and sent as its provider would.

use clap::Args;
use serde::Serialize;
use webhook::claim::EventKey;
use webhook::providers::Provider;
use webhook::row::Row;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::keys::new_token;
use crate::terminal::output::Output;
use crate::work::delivering::{SendArgs, deliver};
use crate::work::samples::{self, Sample, Values, put};
use crate::work::sending::{Case, opened};
use stack::sources::{ProviderName, SourceName, of_provider};

#[derive(Debug, Clone, Args)]
pub struct TriggerArgs {
    /// The provider
    pub provider: Option<ProviderName>,
    /// The case, as listed; any unique beginning will do
    pub case: Option<String>,
    /// Give the order this id
    #[arg(long, value_name = "ID", requires = "case")]
    pub order: Option<String>,
    /// Give the order or payment this amount, in major units
    #[arg(long, value_name = "AMOUNT", requires = "case")]
    pub amount: Option<String>,
    /// Send to this source, not to the provider's only one
    #[arg(long, value_name = "PROVIDER/SOURCE", requires = "case")]
    pub source: Option<SourceName>,
    /// Keep the sample's signed time, so that a second delivery is an exact repeat
    #[arg(long, requires = "case")]
    pub again: bool,
    /// Sign with a key that nobody has, so that the delivery is refused with 401
    #[arg(long, requires = "case")]
    pub forged: bool,
}

/// A sample on one line.
#[derive(Debug, Clone, Serialize)]
pub struct CaseLine {
    pub provider: &'static str,
    pub case: &'static str,
    /// The type that this build reads.
    #[serde(rename = "type")]
    pub event_type: &'static str,
}

impl TriggerArgs {
    /// Returns whether samples are only listed, which needs no stack.
    pub fn lists(&self) -> bool {
        self.case.is_none()
    }
}

/// Lists the samples.
pub fn list(args: &TriggerArgs, output: &Output) -> Result<Exit, Error> {
    let lines: Vec<CaseLine> = samples::of(args.provider.map(|provider| provider.0)).iter().map(line).collect();
    output.list(&lines, &["provider", "case", "type"], |line, _| {
        [line.provider, line.case, line.event_type].map(str::to_owned).to_vec()
    })?;
    output.note("To send one: hookmill trigger PROVIDER CASE");
    Ok(Exit::Ok)
}

/// Sends a sample.
pub async fn run(context: &Context, args: TriggerArgs) -> Result<Exit, Error> {
    let (Some(ProviderName(provider)), Some(case)) = (args.provider, &args.case) else {
        return list(&args, &context.output);
    };
    let sample = named(provider, case)?;
    let (source, mut delivery) = opened(sample.text.as_bytes())
        .map_err(|why| Error::service(format!("the sample {} cannot be read: {why}", sample.case)))?;
    let values = Values { order: args.order.clone(), amount: args.amount.clone() };
    delivery.body = put(provider, &delivery.body, &values)?;
    let source = match args.source {
        Some(source) if source.provider.name != provider.name => {
            return Err(Error::usage(format!("{source} is not a source of {}", provider.name))
                .next("hookmill sources list shows its sources."));
        }
        Some(source) => source,
        None => SourceName { provider, source: usual(context, provider, source).await? },
    };
    let case = Case { name: format!("{}/{}", provider.name, sample.case), source, delivery };
    let key = if args.forged { Some(new_token()?) } else { None };
    deliver(context, &SendArgs { fresh: !args.again, key, ..SendArgs::plain() }, vec![case]).await
}

/// Returns the source that the sample names, or the provider's only one.
async fn usual(context: &Context, provider: &'static Provider, named: String) -> Result<String, Error> {
    let known = of_provider(context, provider).await?;
    let mut names = known.names().map(str::to_owned);
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only),
        _ => Ok(named),
    }
}

/// Returns the sample of a case, or the only one whose name begins so; a case in several shapes is its first.
fn named(provider: &'static Provider, case: &str) -> Result<Sample, Error> {
    let all = samples::of(Some(provider));
    let fitting: Vec<&Sample> = all.iter().filter(|sample| sample.case.starts_with(case)).collect();
    let exact = fitting.iter().find(|sample| sample.case == case);
    let list = format!("hookmill trigger {} lists its cases.", provider.name);
    match (exact, fitting.as_slice()) {
        (Some(sample), _) | (None, [sample]) => Ok(**sample),
        (None, []) => {
            let likeness = |sample: &&Sample| strsim::jaro_winkler(case, sample.case);
            let nearest = all.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            let nearest = nearest.map(|sample| format!("The nearest is {}. ", sample.case)).unwrap_or_default();
            Err(Error::usage(format!("{} has no sample {case}", provider.name)).next(format!("{nearest}{list}")))
        }
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|sample| sample.case).collect();
            Err(Error::usage(format!("{case} fits more than one sample of {}", provider.name))
                .next(format!("Type more of one of these:\n  {}", names.join("\n  "))))
        }
    }
}

fn line(sample: &Sample) -> CaseLine {
    let key = EventKey { pk: format!("{}/sample/~", sample.provider.name), sk: "~/~".to_owned() };
    let (headers, body) =
        opened(sample.text.as_bytes()).map(|(_, delivery)| (delivery.headers, delivery.body)).unwrap_or_default();
    let row = Row { key, received_ms: 0, hash: [0; 32], headers, body, signed_at: None, mark: None };
    let event = sample.provider.read(&row);
    CaseLine { provider: sample.provider.name, case: sample.case, event_type: event.event_type.name() }
}

#[cfg(test)]
mod tests {
    use webhook::providers::PROVIDERS;

    use super::*;

    #[test]
    fn cases_are_named_by_any_unique_beginning() {
        for provider in PROVIDERS {
            for sample in samples::of(Some(provider)) {
                assert_eq!(named(provider, sample.case).unwrap().case, sample.case);
            }
        }
        let scalapay = Provider::named("scalapay").unwrap();
        assert_eq!(named(scalapay, "disp").unwrap().case, "disputed");
        assert_eq!(named(scalapay, "charged").unwrap().case, "charged");
        let error = named(scalapay, "chargd").unwrap_err();
        assert!(error.next.unwrap().contains("The nearest is charged."));
        assert!(named(scalapay, "ch").unwrap_err().next.unwrap().contains("charged.base64"));
    }

    #[test]
    fn every_sample_has_a_line() {
        let lines: Vec<CaseLine> = samples::of(None).iter().map(line).collect();
        assert!(lines.len() >= 149, "{}", lines.len());
        let charged = lines.iter().find(|line| line.provider == "scalapay" && line.case == "charged").unwrap();
        assert_eq!(charged.event_type, "payment.captured");
    }
}
