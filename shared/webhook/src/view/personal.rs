//! The remainder of an event when its body is erased: the order's state and its money, and nothing of the buyer.
//!
//! The list names what stays. Everything else is taken for personal, a register that a later mapping adds included.

use crate::view::View;

/// Registers that stay, by path; `*` is any one name. What lies below a path stays with it.
pub const KEPT: &[&str] = &[
    "order/id",
    "order/alias_id",
    "order/number",
    "order/status",
    "order/left_out",
    "order/order_type",
    "order/totals/total",
    "order/totals/net",
    "order/totals/subtotal",
    "order/totals/discount",
    "order/totals/code_discount",
    "order/totals/unique_code_discount",
    "order/totals/shipping",
    "order/totals/shipping_discount",
    "order/totals/tax",
    "order/totals/shipping_tax",
    "order/totals/tax_included",
    "order/totals/credit",
    "order/totals/points",
    "order/totals/payment_fee",
    "order/totals/platform_fee",
    "order/totals/net_payment",
    "order/totals/other_income",
    "order/totals/payment_link_income",
    "order/totals/cost_of_goods",
    "order/quantity",
    "order/exact_quantity",
    "order/weight_grams",
    "order/status_times/*",
    "order/created_at",
    "order/updated_at",
    "order/edited_at",
    "order/split_at",
    "order/cancelled_at",
    "order/expires_in_ms",
    "payments/*/id",
    "payments/*/order_id",
    "payments/*/order_alias_id",
    "payments/*/status",
    "payments/*/amount",
    "payments/*/captured_amount",
    "payments/*/fee",
    "payments/*/method",
    "payments/*/method_id",
    "payments/*/method_name",
    "payments/*/sub_method",
    "payments/*/gateway",
    "payments/*/capture_status",
    "payments/*/created_at",
    "payments/*/updated_at",
    "payments/*/paid_at",
    "payments/*/processed_at",
    "payments/*/transferred_at",
    "payments/*/status_times/*",
    "payments/*/refunds/*/id",
    "payments/*/refunds/*/amount",
    "payments/*/refunds/*/refunded_at",
    "payments/*/refunds/*/reported",
    "fulfillments/*/id",
    "fulfillments/*/order_id",
    "fulfillments/*/status",
    "fulfillments/*/carrier_status",
    "fulfillments/*/created_at",
    "fulfillments/*/updated_at",
    "fulfillments/*/expected_at",
    "fulfillments/*/is_pickup",
    "fulfillments/*/return_id",
    "fulfillments/*/shipped_at",
    "fulfillments/*/arrived_at",
    "fulfillments/*/delivered_at",
    "fulfillments/*/returned_at",
    "fulfillments/*/store_closed_at",
    "returns/*/id",
    "returns/*/order_id",
    "returns/*/status",
    "returns/*/inspection",
    "returns/*/total",
    "returns/*/credit",
    "returns/*/points",
    "returns/*/refunds/*/id",
    "returns/*/refunds/*/amount",
    "returns/*/refunds/*/refunded_at",
    "returns/*/refunds/*/reported",
    "returns/*/created_at",
    "returns/*/updated_at",
];

/// Registers that were looked at and go: names, addresses, what was bought, and texts that anybody may have filled.
pub const ERASED: &[&str] = &[
    "order/channel",
    "order/language",
    "order/store",
    "order/totals/other_income_name",
    "order/lines",
    "order/discounts",
    "order/customer",
    "order/shipping_address",
    "order/billing_address",
    "order/origin_address",
    "order/warehouse",
    "order/sender",
    "order/invoices",
    "order/risk",
    "order/notes",
    "order/tags",
    "order/cancelled_reason",
    "order/references/*",
    "payments/*/merchant_reference",
    "payments/*/gateway_reference",
    "payments/*/bank",
    "payments/*/failure_reason",
    "fulfillments/*/carrier",
    "fulfillments/*/service",
    "fulfillments/*/option_id",
    "fulfillments/*/notes",
    "fulfillments/*/scheduled_date",
    "fulfillments/*/time_slot",
    "fulfillments/*/tracking_number",
    "fulfillments/*/tracking_url",
    "fulfillments/*/pickup",
    "returns/*/number",
    "returns/*/order_number",
    "returns/*/reason",
    "returns/*/lines",
];

/// Returns whether a register's value stays.
pub fn is_kept(path: &str) -> bool {
    is_listed(KEPT, path)
}

/// Returns whether a list names a path or something above it. A return's parcel is a parcel like an order's.
pub fn is_listed(list: &[&str], path: &str) -> bool {
    let path = path.strip_prefix("return_").filter(|path| path.starts_with("fulfillments/")).unwrap_or(path);
    list.iter().any(|pattern| {
        let mut names = path.split('/');
        pattern.split('/').all(|part| names.next().is_some_and(|name| part == "*" || part == name))
    })
}

/// A view without what is personal in it.
#[must_use]
pub fn without_personal(mut view: View) -> View {
    view.blank(is_kept);
    view
}

/// Returns whether a canonical event's field may be shown to a reader of differences. `kind` is the event's
/// `data.kind`, and `[]` is any place in a list.
pub fn is_shown(kind: &str, field: &str) -> bool {
    let Some(field) = field.strip_prefix("data.") else {
        return !matches!(field, "subject" | "merchant" | "order" | "reference");
    };
    let path = field.replace("[]", ".*").replace('.', "/");
    match kind {
        _ if path == "kind" => true,
        "order" if ["payments", "fulfillments", "returns"].iter().any(|list| path.starts_with(list)) => is_kept(&path),
        "order" => is_kept(&format!("order/{path}")),
        "payment" => is_kept(&format!("payments/*/{path}")),
        "fulfillment" => is_kept(&format!("fulfillments/*/{path}")),
        "return" => is_kept(&format!("returns/*/{path}")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_list_names_is_personal() {
        for (path, kept) in [
            ("order/status", true),
            ("order/left_out", true),
            ("order/status_times/paid", true),
            ("payments/p1/amount/amount", true),
            ("payments/p1/refunds/r1/amount", true),
            ("order/customer/email", false),
            ("order/shipping_address", false),
            ("order/totals/other_income_name", false),
            ("order/later", false),
            ("order", false),
            ("payments/p1", false),
            ("parcels/1/status", false),
        ] {
            assert_eq!(is_kept(path), kept, "{path}");
        }
    }

    #[test]
    fn of_differences_only_what_stays_is_shown() {
        for (kind, field, shown) in [
            ("order", "type", true),
            ("order", "sequence", true),
            ("order", "subject", false),
            ("order", "reference", false),
            ("order", "data.kind", true),
            ("order", "data.totals.total.amount", true),
            ("order", "data.payments[].refunds[].amount.amount", true),
            ("order", "data.payments[].bank", false),
            ("order", "data.customer.name", false),
            ("order", "data.lines[].name", false),
            ("payment", "data.status.state", true),
            ("return", "data.reason", false),
            ("customer", "data.email", false),
            ("product", "data.title", false),
        ] {
            assert_eq!(is_shown(kind, field), shown, "{kind} {field}");
        }
    }
}
