//! Data that several checks need: the stack, its sources, its metrics, each fetched once.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use aws_smithy_types::DateTime;
use tokio::sync::OnceCell;
use webhook::providers::{PROVIDERS, Provider};
use webhook::source::Sources;

use crate::context::Context;
use crate::terminal::error::Error;
use crate::work::sending::{Reply, Sender};
use stack::aws::failed_for;
use stack::deployment::Deployment;
use stack::sources::{SourceName, of_provider};

/// A figure of CloudWatch's.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    /// Whose it is.
    pub(super) namespace: &'static str,
    pub(super) name: &'static str,
    /// Which of several of that name.
    pub(super) dimension: Option<(&'static str, String)>,
    /// The statistic that makes values of one minute one.
    pub(super) statistic: &'static str,
}

/// A resource that the stack made.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// Its name in the template.
    pub(super) logical: String,
    /// Its name in AWS.
    pub(super) physical: String,
    /// Its type.
    pub(super) kind: String,
}

/// A stack under examination, with what has been read of it.
#[derive(Debug)]
pub struct Checkup<'a> {
    pub(super) context: &'a Context,
    pub(super) cloudformation: aws_sdk_cloudformation::Client,
    pub(super) lambda: aws_sdk_lambda::Client,
    pub(super) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(super) logs: aws_sdk_cloudwatchlogs::Client,
    resources: OnceCell<Vec<Resource>>,
    sources: OnceCell<BTreeMap<&'static str, Result<Sources, Error>>>,
    replies: OnceCell<Vec<(&'static Provider, Result<Reply, Error>)>>,
}

impl<'a> Checkup<'a> {
    /// A stack that nothing is known of yet.
    pub fn new(context: &'a Context) -> Self {
        let sdk = context.sdk();
        Checkup {
            context,
            cloudformation: aws_sdk_cloudformation::Client::new(sdk),
            lambda: aws_sdk_lambda::Client::new(sdk),
            cloudwatch: aws_sdk_cloudwatch::Client::new(sdk),
            logs: aws_sdk_cloudwatchlogs::Client::new(sdk),
            resources: OnceCell::new(),
            sources: OnceCell::new(),
            replies: OnceCell::new(),
        }
    }

    pub(super) async fn deployment(&self) -> Result<&Deployment, Error> {
        self.context.deployment().await
    }

    /// Everything of a type that the stack made.
    pub(super) async fn resources(&self, kind: &str) -> Result<Vec<&Resource>, Error> {
        let all = self.resources.get_or_try_init(|| self.list_resources()).await?;
        Ok(all.iter().filter(|resource| resource.kind == kind).collect())
    }

    async fn list_resources(&self) -> Result<Vec<Resource>, Error> {
        let stack = self.deployment().await?.stack();
        let mut pages = self.cloudformation.list_stack_resources().stack_name(stack).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(summary) = pages.next().await {
            let summary = summary.map_err(|error| {
                failed_for("cloudformation:ListStackResources", "list the stack's resources", &error)
            })?;
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            found.push(Resource {
                logical: text(summary.logical_resource_id()),
                physical: text(summary.physical_resource_id()),
                kind: text(summary.resource_type()),
            });
        }
        Ok(found)
    }

    /// Every provider's sources, or the error of reading them.
    pub(super) async fn sources(&self) -> &BTreeMap<&'static str, Result<Sources, Error>> {
        self.sources
            .get_or_init(|| async {
                let mut all = BTreeMap::new();
                for provider in PROVIDERS {
                    all.insert(provider.name, of_provider(self.context, provider).await);
                }
                all
            })
            .await
    }

    /// Returns the names of all sources that can be read.
    pub(super) async fn source_names(&self) -> Vec<SourceName> {
        let known = self.sources().await;
        let of_one = |provider: &'static Provider| {
            let sources = known.get(provider.name).and_then(|known| known.as_ref().ok());
            let names: Vec<String> = sources.into_iter().flat_map(Sources::names).map(str::to_owned).collect();
            names.into_iter().map(move |source| SourceName { provider, source })
        };
        PROVIDERS.into_iter().flat_map(of_one).collect()
    }

    /// Returns the first error among the secrets: a check that needs all sources reports it, since some may be missing.
    pub(super) async fn unreadable(&self) -> Option<Error> {
        self.sources().await.values().find_map(|sources| sources.as_ref().err().cloned())
    }

    /// Returns each receiver's answer to a request that writes nothing: anything but POST.
    pub(super) async fn replies(&self) -> &[(&'static Provider, Result<Reply, Error>)] {
        self.replies
            .get_or_init(|| async {
                let sender = Sender::default();
                let mut replies = Vec::new();
                for provider in PROVIDERS {
                    replies.push((provider, self.reply(&sender, provider).await));
                }
                replies
            })
            .await
    }

    async fn reply(&self, sender: &Sender, provider: &'static Provider) -> Result<Reply, Error> {
        let url = self.context.reachable(self.deployment().await?.url(provider)?);
        sender.ask("GET", &url, &BTreeMap::new(), Vec::new()).await.map_err(|why| {
            Error::service(format!("the URL of {} cannot be reached: {why}", provider.name)).next(
                "Is the network up? A provider reaches it from elsewhere: look at its own list of deliveries too.",
            )
        })
    }

    /// Returns each figure's recent maximum, or its sum over that time; `None` if CloudWatch has no value.
    pub(super) async fn figures(&self, figures: &[Figure], since: Duration) -> Result<Vec<Option<f64>>, Error> {
        let now_ms = self.context.clock.now_ms();
        let from_ms = now_ms.saturating_sub(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        let mut request = self
            .cloudwatch
            .get_metric_data()
            .start_time(DateTime::from_millis(from_ms))
            .end_time(DateTime::from_millis(now_ms));
        for (number, figure) in figures.iter().enumerate() {
            let dimension = figure
                .dimension
                .as_ref()
                .map(|(name, value)| vec![Dimension::builder().name(*name).value(value).build()]);
            let metric = Metric::builder().namespace(figure.namespace).metric_name(figure.name);
            let metric = metric.set_dimensions(dimension).build();
            let stat = MetricStat::builder().metric(metric).period(60).stat(figure.statistic).build();
            request = request
                .metric_data_queries(MetricDataQuery::builder().id(format!("m{number}")).metric_stat(stat).build());
        }
        let output = request
            .send()
            .await
            .map_err(|error| failed_for("cloudwatch:GetMetricData", "read CloudWatch's figures", &error))?;
        let value = |number: usize, figure: &Figure| {
            let id = format!("m{number}");
            let result = output.metric_data_results().iter().find(|result| result.id() == Some(&id))?;
            let values = result.values();
            match figure.statistic {
                "Sum" => (!values.is_empty()).then(|| values.iter().sum()),
                _ => values.iter().copied().reduce(f64::max),
            }
        };
        Ok(figures.iter().enumerate().map(|(number, figure)| value(number, figure)).collect())
    }
}
