//! People and things around an order: customers, addresses, products, apps.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::read::contract::record;
use crate::read::money::{Amount, Money};
use crate::read::presence::Presence;

record! {
    /// A buyer.
    pub struct Customer {
        /// The provider's id of the customer.
        pub id: Option<String>,
        /// The provider's id of the account behind several shops' customers.
        pub user_id: Presence<String>,
        /// The shop's own id of the customer.
        pub reference: Presence<String>,
        /// True if they bought without an account.
        pub is_guest: Presence<bool>,
        /// Full name.
        pub name: Presence<String>,
        /// E-mail address.
        pub email: Presence<String>,
        /// Telephone number, as given.
        pub phone: Presence<String>,
        /// The number's country code, where the provider has it apart from the number.
        pub phone_country_code: Presence<String>,
        /// Their language, as the provider writes it.
        pub language: Presence<String>,
        /// True if the shop will not serve them.
        pub is_blacklisted: Presence<bool>,
        /// The shop's tags.
        pub tags: Presence<Vec<String>>,
        /// The provider's word for the account's state.
        pub status: Presence<String>,
        /// The way in which the account was made, in the provider's words.
        pub registered_through: Presence<String>,
        /// Membership tier.
        pub tier_id: Presence<String>,
        /// The default address for goods.
        pub address: Presence<Address>,
        /// Number of orders so far, as given.
        pub order_count: Presence<i64>,
        /// Sum of orders so far, as given.
        pub orders_total: Presence<Money>,
        /// Store credit, in the provider's units.
        pub credit_balance: Presence<i64>,
        /// Points.
        pub points_balance: Presence<i64>,
        /// The change of the store credit that the event is about.
        pub credit_change: Presence<i64>,
        /// The change of the points that the event is about.
        pub points_change: Presence<i64>,
        /// The kind of that change, in the provider's words.
        pub change_kind: Presence<String>,
        /// The reason for that change, in the shop's words.
        pub change_reason: Presence<String>,
        /// When the credit or points of that change end, as given.
        pub change_expires_at: Presence<String>,
        /// The order that led to that change.
        pub order_id: Presence<String>,
        /// When the account was created.
        pub created_at: Presence<Timestamp>,
        /// When it last changed.
        pub updated_at: Presence<Timestamp>,
    }
}

record! {
    /// A postal address and who lives there.
    pub struct Address {
        /// Full name.
        pub name: Presence<String>,
        /// Company.
        pub company: Presence<String>,
        /// It is a business's address.
        pub is_business: Presence<bool>,
        /// Telephone number, as given.
        pub phone: Presence<String>,
        /// The number's country code, where the provider has it apart from the number.
        pub phone_country_code: Presence<String>,
        /// E-mail address.
        pub email: Presence<String>,
        /// Street, house and whatever else the provider has in one text.
        pub line1: Presence<String>,
        /// The rest of the street address.
        pub line2: Presence<String>,
        /// Part of a city.
        pub district: Presence<String>,
        /// City.
        pub city: Presence<String>,
        /// Province or state.
        pub province: Presence<String>,
        /// The province's code.
        pub province_code: Presence<String>,
        /// Postal code.
        pub postal_code: Presence<String>,
        /// Country, as given: a code or a name.
        pub country: Presence<String>,
        /// Degrees north of the equator.
        pub latitude: Presence<Amount>,
        /// Degrees east of Greenwich.
        pub longitude: Presence<Amount>,
        /// The merchant's tax number.
        pub tax_id: Presence<String>,
        /// Notes for the carrier.
        pub notes: Presence<String>,
    }
}

record! {
    /// A product or one variant of it.
    pub struct Product {
        /// The provider's id of the product.
        pub id: Option<String>,
        /// The variant, where the event is about one.
        pub variant_id: Presence<String>,
        /// Its name.
        pub title: Presence<String>,
        /// Stock keeping unit.
        pub sku: Presence<String>,
        /// Manufacturer's part number.
        pub mpn: Presence<String>,
        /// Trade item number.
        pub gtin: Presence<String>,
        /// Brand.
        pub brand: Presence<String>,
        /// The provider's kind of product.
        pub product_type: Presence<String>,
        /// The provider's word for its state.
        pub status: Presence<String>,
        /// Price of one unit.
        pub price: Presence<Money>,
        /// Discount on one unit.
        pub discount: Presence<Money>,
        /// Units in stock.
        pub quantity: Presence<i64>,
        /// Units where their number is not whole, exact; `quantity` is left out then.
        pub exact_quantity: Presence<Amount>,
        /// The warehouse that these units are in, where the event is about one.
        pub warehouse: Presence<String>,
        /// True if there is no limit to the units.
        pub is_unlimited: Presence<bool>,
        /// Weight of one unit in grams.
        pub weight_grams: Presence<i64>,
        /// When it was created.
        pub created_at: Presence<Timestamp>,
        /// When it last changed.
        pub updated_at: Presence<Timestamp>,
    }
}

record! {
    /// An app's installation or token. The token itself is never here.
    pub struct App {
        /// The provider's id of the installation or token.
        pub id: Option<String>,
        /// The app.
        pub application_id: Presence<String>,
        /// The app's version.
        pub version: Presence<String>,
        /// Who installed it, in the provider's words.
        pub installed_by: Presence<String>,
        /// Its permissions.
        pub scopes: Presence<Vec<String>>,
        /// True if the token is the installation's own.
        pub is_installation_token: Presence<bool>,
        /// When it was authorised.
        pub authorized_at: Presence<Timestamp>,
        /// When the token ends.
        pub expires_at: Presence<Timestamp>,
        /// When the token was revoked.
        pub revoked_at: Presence<Timestamp>,
        /// When the installation was removed.
        pub deleted_at: Presence<Timestamp>,
        /// When it was created.
        pub created_at: Presence<Timestamp>,
        /// When it last changed.
        pub updated_at: Presence<Timestamp>,
    }
}
