//! The goods of an order, a cart or a return.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::read::contract::record;
use crate::read::money::{Amount, Money};
use crate::read::presence::Presence;

record! {
    /// One line of an order.
    pub struct Line {
        /// The provider's id of the line.
        pub id: Presence<String>,
        /// Product id.
        pub product_id: Presence<String>,
        /// Variant id.
        pub variant_id: Presence<String>,
        /// Stock keeping unit.
        pub sku: Presence<String>,
        /// Trade item number.
        pub gtin: Presence<String>,
        /// Manufacturer's part number.
        pub mpn: Presence<String>,
        /// Its name.
        pub name: Presence<String>,
        /// Brand.
        pub brand: Presence<String>,
        /// Categories, widest first.
        pub categories: Presence<Vec<String>>,
        /// Units that are to be sent, called-off ones left out.
        pub quantity: Presence<i64>,
        /// Units if their number is not whole, exact; `quantity` is left out then.
        pub exact_quantity: Presence<Amount>,
        /// The unit of the quantity, such as kg, if it is not pieces.
        pub unit: Presence<String>,
        /// Units that were ordered, if the shop has changed their number since.
        pub ordered_quantity: Presence<Amount>,
        /// True if the shop has confirmed the line; false: it is not sent.
        pub confirmed: Presence<bool>,
        /// The provider's word for its kind: a gift, an add-on, a bundle.
        pub kind: Presence<String>,
        /// The variant in words, such as colour and size.
        pub variant: Presence<String>,
        /// The bundle that it is, if it is one.
        pub bundle_id: Presence<String>,
        /// The goods in it, if it is a set.
        pub contents: Presence<Vec<Line>>,
        /// The subscription that it belongs to.
        pub subscription_id: Presence<String>,
        /// The seller of the line, in a shop of several.
        pub vendor_id: Presence<String>,
        /// True if it was ordered before it can be sent.
        pub is_preorder: Presence<bool>,
        /// Price of one unit, as given.
        pub unit_price: Presence<Money>,
        /// Price of the line, as given.
        pub line_total: Presence<Money>,
        /// Price of the line after its own discounts.
        pub discounted_total: Presence<Money>,
        /// Price of the line after its share of the order's discounts too.
        pub net_total: Presence<Money>,
        /// Discount on the line.
        pub discount: Presence<Money>,
        /// Discount on one unit; `unit_price` is the price after it.
        pub unit_discount: Presence<Money>,
        /// Discount on the line by an offer such as three for two; no price here has it taken off.
        pub offer_discount: Presence<Money>,
        /// Discount on the line for being bought together with another; no price here has it taken off.
        pub cross_discount: Presence<Money>,
        /// Tax on the line.
        pub tax: Presence<Money>,
        /// Points that the line costs.
        pub points: Presence<i64>,
        /// Discount by code on the line.
        pub code_discount: Presence<Money>,
        /// Its cost for the shop.
        pub cost_of_goods: Presence<Money>,
        /// The cost of one unit for the shop.
        pub unit_cost: Presence<Money>,
        /// Weight in grams.
        pub weight_grams: Presence<i64>,
        /// True if it is taken from stock.
        pub is_inventory: Presence<bool>,
        /// Its place in the warehouse.
        pub stock_location: Presence<String>,
        /// The shop's finding when it looked at the goods that came back.
        pub inspections: Presence<Vec<Inspection>>,
        /// The product's page.
        pub page_url: Presence<String>,
        /// The product's picture.
        pub image_url: Presence<String>,
        /// The buyer's message on the line.
        pub message: Presence<String>,
    }
}

record! {
    /// The shop's finding when it looked at units that came back.
    pub struct Inspection {
        /// Units.
        pub quantity: Presence<i64>,
        /// The finding, in the provider's words.
        pub status: Presence<String>,
        /// The buyer's reason, in the provider's words.
        pub reason: Presence<String>,
        /// The buyer's own words.
        pub notes: Presence<String>,
        /// The shop's own words.
        pub remark: Presence<String>,
    }
}
