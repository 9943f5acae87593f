//! People and things around an order: customers, addresses, products, checkouts, apps.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::Field;
use crate::money::Money;
use crate::order::{Line, told};
use crate::status::{CheckoutState, Status};

told! {
    /// A buyer.
    pub struct Customer {
        /// The provider's id of the customer.
        pub id: Option<String>,
        /// The provider's id of the account behind several shops' customers.
        pub user_id: Field<String>,
        /// Full name.
        pub name: Field<String>,
        /// E-mail address.
        pub email: Field<String>,
        /// Telephone number, as told.
        pub phone: Field<String>,
        /// The provider's word for where the account stands.
        pub status: Field<String>,
        /// How the account came to be, in the provider's words.
        pub registered_through: Field<String>,
        /// Membership tier.
        pub tier_id: Field<String>,
        /// Where goods go by default.
        pub address: Field<Address>,
        /// Number of orders so far, as told.
        pub order_count: Field<i64>,
        /// Sum of orders so far, as told.
        pub orders_total: Field<Money>,
        /// Store credit, in the provider's units.
        pub credit_balance: Field<i64>,
        /// When the account was created.
        pub created_at: Field<Timestamp>,
        /// When it last changed.
        pub updated_at: Field<Timestamp>,
    }
}

told! {
    /// A postal address and who lives there.
    pub struct Address {
        /// Full name.
        pub name: Field<String>,
        /// Company.
        pub company: Field<String>,
        /// Telephone number, as told.
        pub phone: Field<String>,
        /// E-mail address.
        pub email: Field<String>,
        /// Street, house and whatever else the provider has in one text.
        pub line1: Field<String>,
        /// The rest of the street address.
        pub line2: Field<String>,
        /// Part of a city.
        pub district: Field<String>,
        /// City.
        pub city: Field<String>,
        /// Province or state.
        pub province: Field<String>,
        /// Postal code.
        pub postal_code: Field<String>,
        /// Country, as told: a code or a name.
        pub country: Field<String>,
        /// The merchant's tax number.
        pub tax_id: Field<String>,
        /// Notes for the carrier.
        pub notes: Field<String>,
    }
}

told! {
    /// A product or one variant of it.
    pub struct Product {
        /// The provider's id of the product.
        pub id: Option<String>,
        /// The variant, where the event is about one.
        pub variant_id: Field<String>,
        /// What it is called.
        pub title: Field<String>,
        /// Stock keeping unit.
        pub sku: Field<String>,
        /// Manufacturer's part number.
        pub mpn: Field<String>,
        /// Trade item number.
        pub gtin: Field<String>,
        /// Brand.
        pub brand: Field<String>,
        /// The provider's kind of product.
        pub product_type: Field<String>,
        /// The provider's word for where it stands.
        pub status: Field<String>,
        /// Price of one unit.
        pub price: Field<Money>,
        /// Discount on one unit.
        pub discount: Field<Money>,
        /// Units in stock.
        pub quantity: Field<i64>,
        /// The warehouse that these units are in, where the event is about one.
        pub warehouse: Field<String>,
        /// When it was created.
        pub created_at: Field<Timestamp>,
        /// When it last changed.
        pub updated_at: Field<Timestamp>,
    }
}

told! {
    /// A cart on its way to an order.
    pub struct Checkout {
        /// The provider's id of the checkout.
        pub id: Option<String>,
        /// Where it stands.
        pub status: Field<Status<CheckoutState>>,
        /// Who is buying.
        pub customer: Field<Customer>,
        /// What is in the cart.
        pub lines: Field<Vec<Line>>,
        /// Units in all lines.
        pub quantity: Field<i64>,
        /// What the provider expects the buyer to pay.
        pub estimated_total: Field<Money>,
        /// The shop's store or brand.
        pub store: Field<String>,
        /// The page it began on.
        pub source_url: Field<String>,
        /// Whether the buyer can be written to.
        pub contactable: Field<bool>,
        /// The order it led to.
        pub order_id: Field<String>,
        /// When it began.
        pub started_at: Field<Timestamp>,
        /// When the buyer last did something.
        pub last_activity_at: Field<Timestamp>,
        /// When it led to an order.
        pub completed_at: Field<Timestamp>,
    }
}

told! {
    /// An app's installation or token. The token itself is never here.
    pub struct App {
        /// The provider's id of the installation or token.
        pub id: Option<String>,
        /// The app.
        pub application_id: Field<String>,
        /// The app's version.
        pub version: Field<String>,
        /// Who installed it, in the provider's words.
        pub installed_by: Field<String>,
        /// What it may do.
        pub scopes: Field<Vec<String>>,
        /// Whether the token is the installation's own.
        pub is_installation_token: Field<bool>,
        /// When it was authorised.
        pub authorized_at: Field<Timestamp>,
        /// When the token ends.
        pub expires_at: Field<Timestamp>,
        /// When the token was revoked.
        pub revoked_at: Field<Timestamp>,
        /// When the installation was removed.
        pub deleted_at: Field<Timestamp>,
        /// When it was created.
        pub created_at: Field<Timestamp>,
        /// When it last changed.
        pub updated_at: Field<Timestamp>,
    }
}
