//! `hookmill orders list`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args;
use edge::keep::item::{Item, text};
use serde::Serialize;

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, dash};
use crate::work::ids;
use crate::work::selection::SourceArgs;
use crate::work::selection::at_least_one;
use stack::aws::failed;
use stack::known::check_known;

/// Arguments of `orders list`.
#[derive(Debug, Clone, Args)]
pub struct OrderListArgs {
    /// Of which sources.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Greatest number of orders; they come in the table's own order
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    pub limit: usize,
    /// Continue after this order, the last one of the page before
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
}

/// An order on one line: the columns of its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderLine {
    /// The order's id.
    pub order: String,
    /// The order's state.
    pub order_state: Option<String>,
    /// Its payments' state.
    pub payment_state: Option<String>,
    /// Its fulfilments' state.
    pub fulfillment_state: Option<String>,
    /// The total.
    pub total: Option<String>,
    /// In which currency.
    pub currency: Option<String>,
    /// The refunded amount, or `unknown`.
    pub refunded: Option<String>,
}

const ATTRIBUTES: &str = "pk, order_state, payment_state, fulfillment_state, #total, currency, refunded, disowned";

/// Lists orders.
pub async fn run(context: &Context, args: OrderListArgs) -> Result<Exit, Error> {
    let mut args = args;
    if let Some(after) = &args.after {
        args.after = Some(ids::order(context, after).await?);
    }
    if let Some(source) = &args.sources.source {
        check_known(context, source).await?;
    }
    let (orders, more) = page(context, &args).await?;
    context.output.list(&orders, &COLUMNS, cells)?;
    match orders.last() {
        None => context.output.note("No such order."),
        Some(last) if more => context.output.note(&format!("There are more: --after '{}'", last.order)),
        Some(_) => {}
    }
    Ok(Exit::Ok)
}

/// One page of orders and whether others follow. Reads the table from front to back: it has no other order.
pub async fn page(context: &Context, args: &OrderListArgs) -> Result<(Vec<OrderLine>, bool), Error> {
    let (client, table) = (context.dynamodb(), context.deployment().await?.orders_table()?);
    let prefix = match (&args.sources.source, args.sources.provider) {
        (Some(source), _) => Some(format!("{source}/")),
        (None, Some(provider)) => Some(format!("{}/", provider.0.name)),
        (None, None) => None,
    };
    let mut resume = args.after.as_deref().map(|pk| HashMap::from([("pk".to_owned(), text(pk))]));
    let mut progress = context.output.progress("orders looked at", 0);
    let mut found = Vec::new();
    loop {
        let scan = client.scan().table_name(table).projection_expression(ATTRIBUTES);
        let scan = scan.expression_attribute_names("#total", "total").set_exclusive_start_key(resume.take());
        let scan = match &prefix {
            None => scan,
            Some(prefix) => {
                scan.filter_expression("begins_with(pk, :prefix)").expression_attribute_values(":prefix", text(prefix))
            }
        };
        let output = scan.send().await.map_err(|error| failed("read the orders", &error))?;
        (0..output.scanned_count()).for_each(|_| progress.step());
        found.extend(output.items().iter().filter(|item| !is_disowned(item)).filter_map(line));
        resume = output.last_evaluated_key;
        if resume.is_none() || found.len() > args.limit {
            break;
        }
    }
    let more = found.len() > args.limit;
    found.truncate(args.limit);
    Ok((found, more))
}

/// Returns whether nothing is left of an order but that its events are disowned.
fn is_disowned(item: &Item) -> bool {
    let states = ["order_state", "payment_state", "fulfillment_state", "total", "refunded"];
    item.contains_key("disowned") && !states.iter().any(|name| item.contains_key(*name))
}

fn line(item: &Item) -> Option<OrderLine> {
    let value = |name: &str| item.get(name).map(AttributeValue::as_s).and_then(Result::ok).cloned();
    Some(OrderLine {
        order: value("pk")?,
        order_state: value("order_state"),
        payment_state: value("payment_state"),
        fulfillment_state: value("fulfillment_state"),
        total: value("total"),
        currency: value("currency"),
        refunded: value("refunded"),
    })
}

const COLUMNS: [&str; 7] = ["order", "payment", "fulfilment", "total", "currency", "refunded", "id"];

fn cells(line: &OrderLine, _: Paint) -> Vec<String> {
    let states = [&line.order_state, &line.payment_state, &line.fulfillment_state];
    let all = states.into_iter().chain([&line.total, &line.currency, &line.refunded]);
    all.map(|value| dash(value.as_deref())).chain([line.order.clone()]).collect()
}
