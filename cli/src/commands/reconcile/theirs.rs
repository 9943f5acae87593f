//! The provider's side: orders listed by their time of change where its API does so, else read one by one, and the
//! refunds that it accounts for.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use platforms::order::{Cursor, Order, Page, Window};
use platforms::providers::{OrderKind, RefundRow, Scalapay};
use platforms::{Cause, Client};
use webhook::claim::Part;
use webhook::json;
use webhook::read_back::Asked;
use webhook::request::percent_decode;
use webhook::source::{Merchants, Source};

use crate::apis::Api;
use crate::time::{LATEST_MS, Range};

/// Selldone lists online orders alone, a type at a time.
const ONLINE: &str = "OnlineOrder";
const ONLINE_TYPES: [&str; 5] = ["PHYSICAL", "VIRTUAL", "SERVICE", "FILE", "SUBSCRIPTION"];

/// A server that ignores the page that it is asked for would be asked for ever.
const PAGES_MAX: usize = 1_000;

/// Refunds of this long are looked for where no range says it.
const REPORT_DAYS: i64 = 365;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A list of orders that can be asked by time of change.
#[derive(Debug, Clone, Copy)]
pub struct List {
    order_type: &'static str,
}

/// One order to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The id that the API takes.
    pub id: String,
    /// Selldone's kind of order, by the event of its webhooks.
    pub kind: Option<String>,
}

impl List {
    /// The lists that a provider has.
    pub fn all(client: &Client) -> Vec<List> {
        match client {
            Client::Shopline(_) => vec![List { order_type: "" }],
            Client::Selldone(_) => ONLINE_TYPES.into_iter().map(|order_type| List { order_type }).collect(),
            Client::Scalapay(_) | Client::Scalev(_) => Vec::new(),
        }
    }

    /// The kind of the orders in it.
    pub fn kind(client: &Client) -> Option<&'static str> {
        matches!(client, Client::Selldone(_)).then_some(ONLINE)
    }

    /// A page.
    pub async fn page(
        self,
        client: &Client,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Order>, platforms::Error> {
        match client {
            Client::Shopline(shopline) => shopline.orders(window, cursor).await,
            Client::Selldone(selldone) => selldone.orders(self.order_type, window, cursor).await,
            Client::Scalapay(_) | Client::Scalev(_) => Ok(Page { items: Vec::new(), next: None }),
        }
    }
}

/// What the lists leave out, in words; none where they have everything.
pub fn unlisted(client: &Client) -> Option<&'static str> {
    match client {
        Client::Shopline(_) => None,
        Client::Selldone(_) => Some(
            "Selldone lists online orders alone: of the other kinds, those whose events were received in the range are \
             read one by one, and one of which no webhook came has to be named, such as --order PosOrder:17.",
        ),
        Client::Scalapay(_) => Some(
            "Scalapay lists no payments: those whose events were received in the range are read one by one, and one of \
             which no webhook came has to be named: --order TOKEN.",
        ),
        Client::Scalev(_) => Some(
            "Scalev lists no orders by time: those whose events were received in the range are read one by one, and one \
             of which no webhook came has to be named: --order NUMBER.",
        ),
    }
}

/// A range as the lists take it, both ends included.
pub fn window(range: Range) -> Window {
    let time = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
    Window { after: time(range.from_ms), before: (range.to_ms < LATEST_MS).then(|| time(range.to_ms - 1)) }
}

impl Wanted {
    /// The order of a subject, as the provider's API names it; none where the subject is no order that is read alone.
    pub fn of_subject(client: &Client, subject: &str) -> Option<Self> {
        let parts: Vec<String> = subject.split(':').map(|part| percent_decode(part).into_owned()).collect();
        let last = parts.last().filter(|last| !last.is_empty() && *last != "~" && !last.starts_with("~h"))?.clone();
        match client {
            Client::Selldone(_) => {
                let kind = parts.get(1).filter(|kind| *kind != ONLINE && OrderKind::of_event(kind).is_some())?;
                Some(Wanted { id: last, kind: Some(kind.clone()) })
            }
            Client::Shopline(_) | Client::Scalapay(_) | Client::Scalev(_) => Some(Wanted { id: last, kind: None }),
        }
    }

    /// The order that was named on the command line; none where its kind is not known.
    pub fn of_argument(client: &Client, text: &str) -> Option<Self> {
        match (client, text.split_once(':')) {
            (Client::Selldone(_), Some((kind, id))) => {
                OrderKind::of_event(kind).map(|_| Wanted { id: id.to_owned(), kind: Some(kind.to_owned()) })
            }
            (Client::Selldone(_), None) => Some(Wanted { id: text.to_owned(), kind: Some(ONLINE.to_owned()) }),
            (Client::Shopline(_) | Client::Scalapay(_) | Client::Scalev(_), _) => {
                Some(Wanted { id: text.to_owned(), kind: None })
            }
        }
    }

    /// Reads it; none where the provider does not have it, or no longer.
    pub async fn read(&self, client: &Client) -> Result<Option<Order>, platforms::Error> {
        let kind = self.kind.as_deref().and_then(OrderKind::of_event);
        let read = match (client, kind) {
            (Client::Selldone(selldone), Some(kind)) => selldone.order(kind, &self.id).await,
            // Orders of an app are named by the API's own id, which has another form than numbers.
            (Client::Scalev(scalev), _) if self.id.contains('-') => scalev.order(&self.id).await,
            _ => client.order(&self.id).await,
        };
        match read {
            Ok(order) => Ok(Some(order)),
            Err(platforms::Error { cause: Cause::NotFound | Cause::Gone, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The subject by which webhooks name an order.
pub fn subject(api: &Api, source: &Source, order: &Order, kind: Option<&str>) -> Option<Part> {
    let one_merchant = match &source.merchants {
        Merchants::Only(several) => match several.as_slice() {
            [one] => Some(one.as_str()),
            _ => None,
        },
        Merchants::Any => None,
    };
    let shop = match &api.client {
        Client::Selldone(_) => api.account.shop.as_deref(),
        // Their accounts name the shop otherwise than webhooks do.
        Client::Shopline(_) | Client::Scalapay(_) | Client::Scalev(_) => one_merchant,
    };
    let asked = Asked { scheme: source.scheme, several_merchants: source.several_merchants, shop, kind };
    let document = json::parse(order.raw.bytes()).ok()?;
    (api.name.provider.read_back.subject)(&asked, &document.root)
}

/// The refunds that Scalapay accounts for since the beginning of a range, until now: refunds are paid out later than
/// they are made. The other providers tell none.
pub async fn refunds(client: &Client, range: Option<Range>, now_ms: i64) -> Result<Vec<RefundRow>, platforms::Error> {
    let Client::Scalapay(scalapay) = client else { return Ok(Vec::new()) };
    let from_ms = range.map_or(now_ms - REPORT_DAYS * DAY_MS, |range| range.from_ms);
    let (from, to) = (day(from_ms), day(now_ms));
    let mut rows = all_pages("list refunds", async |cursor| scalapay.refunds(from, to, cursor).await).await?;
    rows.extend(of_payouts(scalapay, from, to).await?);
    Ok(rows)
}

async fn of_payouts(scalapay: &Scalapay, from: Date, to: Date) -> Result<Vec<RefundRow>, platforms::Error> {
    let mut rows = Vec::new();
    for payout in all_pages("list payouts", async |cursor| scalapay.payouts(from, to, cursor).await).await? {
        let page = async |cursor: Option<&Cursor>| scalapay.refunds_of_payout(&payout, cursor).await;
        rows.extend(all_pages("list a payout's refunds", page).await?);
    }
    Ok(rows)
}

async fn all_pages<T>(
    operation: &'static str,
    page: impl AsyncFn(Option<&Cursor>) -> Result<Page<T>, platforms::Error>,
) -> Result<Vec<T>, platforms::Error> {
    let (mut all, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let Page { items, next } = page(cursor.as_ref()).await?;
        all.extend(items);
        cursor = next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
    // Half a list would pass for the whole.
    Err(platforms::Error::endless("scalapay", operation))
}

fn day(ms: i64) -> Date {
    Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(TimeZone::UTC).date()
}
