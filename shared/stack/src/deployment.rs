//! A deployed stack: its outputs, by which everything else is found.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use webhook::providers::Provider;

use crate::aws::failed;
use crate::error::Error;

/// A stack and its outputs.
#[derive(Debug, Clone)]
pub struct Deployment {
    stack: String,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

/// The stack's queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// The user's own consumers read it; there may be none.
    Work,
    /// The messages that those failed at.
    WorkDeadLetters,
    /// The user's own consumers read facts from it; there may be none.
    Facts,
    /// The facts that those failed at.
    FactsDeadLetters,
    /// Feeds the order views.
    Orders,
    /// The events that did not get into a view.
    OrdersDeadLetters,
    /// The events that did not reach a queue.
    RelayDeadLetters,
    /// The user's own further queue; there may be none.
    Extra,
}

impl Deployment {
    /// Looks a stack up by its name.
    pub async fn find(client: &Client, stack: &str, region: &str) -> Result<Self, Error> {
        let described = client.describe_stacks().stack_name(stack).send().await.map_err(|error| {
            let told = error.as_service_error();
            let unknown = told.is_some_and(|told| {
                told.code() == Some("ValidationError") && told.message().unwrap_or_default().contains("does not exist")
            });
            if unknown { no_stack(stack, region) } else { failed("look up the stack", &error) }
        })?;
        let found = described.stacks().first().ok_or_else(|| no_stack(stack, region))?;
        let output = |output: &aws_sdk_cloudformation::types::Output| {
            Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
        };
        let parameter = |parameter: &aws_sdk_cloudformation::types::Parameter| {
            Some((parameter.parameter_key()?.to_owned(), parameter.parameter_value()?.to_owned()))
        };
        let parameters = found.parameters().iter().filter_map(parameter).collect();
        Ok(Deployment { parameters, ..Deployment::of(stack, found.outputs().iter().filter_map(output).collect()) })
    }

    /// A stack with these outputs.
    pub fn of(stack: &str, outputs: BTreeMap<String, String>) -> Self {
        Deployment { stack: stack.to_owned(), outputs, parameters: BTreeMap::new() }
    }

    /// The same stack with the value of a parameter.
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A parameter's value; empty where the stack tells none.
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// The stack's name.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// An output, if the stack has it.
    pub fn find_output(&self, name: &str) -> Option<&str> {
        self.outputs.get(name).map(String::as_str)
    }

    /// An output that every hookmill stack has.
    pub fn output(&self, name: &str) -> Result<&str, Error> {
        self.find_output(name).ok_or_else(|| {
            Error::deployment(format!("the stack {} has no output {name}", self.stack)).next(
                "Is it a hookmill stack, and deployed from a version as new as this tool? Name another with --stack.",
            )
        })
    }

    /// The events table's name.
    pub fn events_table(&self) -> Result<&str, Error> {
        self.output("EventsTable")
    }

    /// The order views' table's name.
    pub fn orders_table(&self) -> Result<&str, Error> {
        self.output("OrdersTable")
    }

    /// The ARN of a provider's secret.
    pub fn secret(&self, provider: &Provider) -> Result<&str, Error> {
        self.output(&format!("{}Secret", title(provider)))
    }

    /// The ARN of the secret with the credentials for the providers' own APIs.
    pub fn accounts_secret(&self) -> Result<&str, Error> {
        self.output("AccountsSecret")
    }

    /// A provider's base URL, which ends in a slash.
    pub fn url(&self, provider: &Provider) -> Result<&str, Error> {
        self.output(&format!("{}Url", title(provider)))
    }

    /// The name of the function that receives a provider.
    pub fn function(&self, provider: &Provider) -> Result<&str, Error> {
        self.output(&format!("{}Function", title(provider)))
    }

    /// A queue's URL; `None` if the stack was deployed without that queue.
    pub fn queue(&self, queue: Queue) -> Option<&str> {
        self.find_output(match queue {
            Queue::Work => "WorkQueueUrl",
            Queue::WorkDeadLetters => "WorkDeadLetterQueueUrl",
            Queue::Facts => "FactsQueueUrl",
            Queue::FactsDeadLetters => "FactsDeadLetterQueueUrl",
            Queue::Orders => "OrdersQueueUrl",
            Queue::OrdersDeadLetters => "OrdersDeadLetterQueueUrl",
            Queue::RelayDeadLetters => "RelayDeadLetterQueueUrl",
            Queue::Extra => "ExtraQueueUrl",
        })
    }
}

fn no_stack(stack: &str, region: &str) -> Error {
    Error::deployment(format!("there is no stack named {stack} in {region}"))
        .next("Name it with --stack and its region with --region; aws cloudformation list-stacks shows what there is.")
}

/// Returns the beginning of the template's names for a provider.
fn title(provider: &Provider) -> String {
    let mut letters = provider.name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use webhook::providers::PROVIDERS;

    use super::*;

    #[test]
    fn the_template_has_every_output_that_is_asked_for() {
        let template = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml")).unwrap();
        let outputs = template.split("\nOutputs:\n").nth(1).unwrap();
        let names = outputs.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
        let deployment = Deployment::of("s", names.map(|name| (name.to_owned(), name.to_owned())).collect());
        for provider in PROVIDERS {
            assert!(deployment.secret(provider).is_ok() && deployment.function(provider).is_ok(), "{}", provider.name);
            assert!(deployment.url(provider).is_ok(), "{}", provider.name);
        }
        assert!(deployment.events_table().is_ok() && deployment.orders_table().is_ok());
        assert!(deployment.accounts_secret().is_ok());
        use Queue::{Extra, Orders, OrdersDeadLetters, RelayDeadLetters, Work, WorkDeadLetters};
        let of_facts = [Queue::Facts, Queue::FactsDeadLetters];
        for queue in
            [Work, WorkDeadLetters, Orders, OrdersDeadLetters, RelayDeadLetters, Extra].into_iter().chain(of_facts)
        {
            assert!(deployment.queue(queue).is_some(), "{queue:?}");
        }
    }

    #[test]
    fn a_stack_of_something_else_is_told() {
        let error = Deployment::of("shop", BTreeMap::new()).events_table().unwrap_err();
        assert_eq!(error.message, "the stack shop has no output EventsTable");
        assert_eq!(error.kind, crate::Exit::Deployment);
    }
}
