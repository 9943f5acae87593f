//! Statuses: one vocabulary, the provider's own word always beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A state in our vocabulary and the word that the provider used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status<T> {
    /// Our word; `unknown` for a word that no table has.
    pub state: T,
    /// The provider's word, as received.
    pub word: String,
}

/// A table from a provider's words to ours. Where statuses are compared (`step`), a later row is the later status.
pub type Table<T> = &'static [(&'static str, T)];

/// Looks a provider's word up, ignoring case.
pub fn lookup<T: Copy>(table: Table<T>, word: &str) -> Option<T> {
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, state)| *state)
}

/// A word's place in its table, from 1, in any case; 0 if no table has it.
pub(crate) fn step<T>(table: Table<T>, word: &str) -> u16 {
    let place = table.iter().position(|(known, _)| known.eq_ignore_ascii_case(word));
    place.and_then(|place| u16::try_from(place + 1).ok()).unwrap_or(0)
}

impl<T: Copy + Unknown> Status<T> {
    /// Translates a provider's word.
    pub fn of(table: Table<T>, word: &str) -> Self {
        Status { state: lookup(table, word).unwrap_or(T::UNKNOWN), word: word.to_owned() }
    }
}

/// A state enum's explicit unknown.
pub trait Unknown {
    /// The state of a word that no table has.
    const UNKNOWN: Self;
}

macro_rules! states {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
            /// A word that no table has: see the provider's word.
            #[serde(other)]
            Unknown,
        }

        impl Unknown for $name {
            const UNKNOWN: Self = $name::Unknown;
        }
    };
}

states! {
    /// The state of an order, its money and its parcels aside.
    OrderState {
        /// Being put together.
        Draft,
        /// Held as spam.
        Flagged,
        /// Placed, not yet taken up by the shop.
        Pending,
        /// Taken up by the shop.
        Confirmed,
        /// Being worked on.
        Processing,
        /// Ready to be handed over.
        Ready,
        /// Handed over to a carrier.
        Shipped,
        /// Done.
        Completed,
        /// Goods are on their way back.
        Returning,
        /// Goods came back.
        Returned,
        /// Called off.
        Cancelled,
        /// Closed by the shop.
        Closed,
        /// Removed at the provider.
        Deleted,
    }
}

states! {
    /// The state of a payment.
    PaymentState {
        /// Expected.
        Pending,
        /// Promised by the payer; still to be captured.
        Authorized,
        /// Received.
        Paid,
        /// Paid out to the merchant.
        Settled,
        /// Paid in a way that contradicts the order (Scalev).
        Conflict,
        /// A refund is on its way.
        Refunding,
        /// Refunded in full, or in part if the provider does not say which.
        Refunded,
        /// Received, and a part of it given back.
        PartiallyRefunded,
        /// Refused.
        Failed,
        /// Not paid, or not captured, in time.
        Expired,
        /// Called off.
        Voided,
    }
}

impl PaymentState {
    /// Returns whether money was received, whatever became of it later.
    /// A payment in conflict may be anybody's money: a person decides, and then it has another state.
    pub(crate) fn is_received(self) -> bool {
        match self {
            PaymentState::Paid | PaymentState::Settled => true,
            PaymentState::Refunding | PaymentState::Refunded | PaymentState::PartiallyRefunded => true,
            PaymentState::Pending | PaymentState::Authorized | PaymentState::Conflict => false,
            PaymentState::Failed | PaymentState::Expired | PaymentState::Voided | PaymentState::Unknown => false,
        }
    }

    /// Returns whether money was given back, or is on its way back.
    pub(crate) fn is_given_back(self) -> bool {
        matches!(self, PaymentState::Refunding | PaymentState::Refunded | PaymentState::PartiallyRefunded)
    }
}

states! {
    /// The state of a fulfilment.
    FulfillmentState {
        /// Not begun.
        Pending,
        /// Being packed.
        Preparing,
        /// Ready for the carrier.
        Ready,
        /// With the carrier.
        Shipped,
        /// At a pick-up point.
        Arrived,
        /// With the buyer.
        Delivered,
        /// On its way back.
        Returning,
        /// Back at the shop.
        Returned,
        /// Could not be delivered.
        Failed,
        /// Called off.
        Cancelled,
    }
}

states! {
    /// The state of a return.
    ReturnState {
        /// Asked for.
        Requested,
        /// Agreed to.
        Accepted,
        /// Refused.
        Rejected,
        /// Done.
        Completed,
        /// Called off.
        Cancelled,
    }
}

states! {
    /// The state of a checkout.
    CheckoutState {
        /// Going on.
        Active,
        /// Left.
        Abandoned,
        /// Led to an order.
        Completed,
    }
}
