//! Carts on their way to an order.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::read::contract::record;
use crate::read::line::Line;
use crate::read::money::Money;
use crate::read::party::Customer;
use crate::read::presence::Presence;
use crate::read::status::{CheckoutState, Status};

record! {
    /// A cart on its way to an order.
    pub struct Checkout {
        /// The provider's id of the checkout.
        pub id: Option<String>,
        /// Its state.
        pub status: Presence<Status<CheckoutState>>,
        /// Who is buying.
        pub customer: Presence<Customer>,
        /// The goods in the cart.
        pub lines: Presence<Vec<Line>>,
        /// Units in all lines.
        pub quantity: Presence<i64>,
        /// The sum that the provider expects the buyer to pay.
        pub estimated_total: Presence<Money>,
        /// The shop's store or brand.
        pub store: Presence<String>,
        /// The page it began on.
        pub source_url: Presence<String>,
        /// True if the buyer can be written to.
        pub contactable: Presence<bool>,
        /// The order it led to.
        pub order_id: Presence<String>,
        /// When it began.
        pub started_at: Presence<Timestamp>,
        /// When the buyer last did something.
        pub last_activity_at: Presence<Timestamp>,
        /// When it led to an order.
        pub completed_at: Presence<Timestamp>,
    }
}
