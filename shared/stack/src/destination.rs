//! The queues that events are sent to again.

use edge::aws::config::takes;
use serde::{Deserialize, Serialize};

use crate::deployment::{Deployment, Queue};
use crate::error::Error;

/// The types that the orders queue takes, as the template has them.
const TYPES_OF_ORDERS: [&str; 4] = ["order.*", "payment.*", "fulfillment.*", "return.*"];

/// A queue that the relay serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Destination {
    /// WorkQueue, which your own consumers read
    Work,
    /// OrdersQueue, which feeds the order views; takes only what is about orders
    Orders,
    /// Your own further queue
    Extra,
    /// FactsQueue, which your own consumers read; takes no events
    Facts,
}

impl Destination {
    /// Every one that takes events.
    pub const ALL: [Destination; 3] = [Destination::Work, Destination::Orders, Destination::Extra];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Destination::Work => "work",
            Destination::Orders => "orders",
            Destination::Extra => "extra",
            Destination::Facts => "facts",
        }
    }

    /// Its URL.
    pub fn url(self, deployment: &Deployment) -> Result<&str, Error> {
        let (queue, parameter) = match self {
            Destination::Work => (Queue::Work, "WorkQueueEnabled=true"),
            Destination::Orders => return deployment.output("OrdersQueueUrl"),
            Destination::Extra => (Queue::Extra, "ExtraQueueUrl and ExtraQueueArn"),
            Destination::Facts => (Queue::Facts, "FactsQueueEnabled=true"),
        };
        deployment.queue(queue).ok_or_else(|| {
            Error::deployment(format!("the stack {} has no {} queue", deployment.stack(), self.name()))
                .next(format!("Deploy it with {parameter}, or choose another: --queue work, orders or extra."))
        })
    }

    /// Returns whether the relay sends events of this type there, by the stack's own type filters.
    pub fn is_relayed(self, deployment: &Deployment, event_type: &str) -> bool {
        let parameter = match self {
            Destination::Work => "WorkQueueTypes",
            Destination::Extra => "ExtraQueueTypes",
            Destination::Orders | Destination::Facts => return self.takes(event_type),
        };
        let types: Vec<&str> = deployment.parameter(parameter).split(',').filter(|name| !name.is_empty()).collect();
        takes(&types, event_type)
    }

    /// Returns whether events of this type go there. What the operator chooses goes to the user's own queues whatever the
    /// stack's parameters filter; the order views have no use for anything else.
    pub fn takes(self, event_type: &str) -> bool {
        match self {
            Destination::Work | Destination::Extra => true,
            Destination::Orders => takes(&TYPES_OF_ORDERS, event_type),
            Destination::Facts => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_orders_queue_takes_what_the_template_says() {
        let template = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml")).unwrap();
        let types = TYPES_OF_ORDERS.map(|name| format!("\"{name}\"")).join(",");
        assert!(template.contains(&format!(r#""url":"${{OrdersQueue}}","types":[{types}]"#)));
        assert!(Destination::Orders.takes("payment.paid") && !Destination::Orders.takes("product.updated"));
        assert!(Destination::Work.takes("product.updated") && Destination::Extra.takes("other"));
    }
}
