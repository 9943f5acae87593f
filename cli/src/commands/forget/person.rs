//! `hookmill forget person`: what a source's events say of somebody.

use std::collections::BTreeMap;
use std::io::Read;

use clap::Args;
use edge::keep::time_index::WalkOrder;
use serde::Serialize;
use serde_json::Value;
use webhook::event::Event;

use super::{carry_out, orders_and_subjects, orphans};
use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::output::{Paint, counted, table};
use crate::terminal::time::Range;
use crate::work::journal::HowArgs;
use crate::work::reading::{EventBatches, noting};
use stack::difference::kind;
use stack::known::check_known;
use stack::provenance::flatten;
use stack::quarantine;
use stack::sources::SourceName;

/// Shorter numbers, with or without a country's code, could be anybody's.
const DIGITS_MIN: usize = 8;

/// Arguments of `forget person`. The value is never written anywhere.
#[derive(Debug, Clone, Args)]
pub struct PersonArgs {
    /// The source whose events are searched
    #[arg(long, value_name = "PROVIDER/SOURCE", required_unless_present = "resume")]
    pub source: Option<SourceName>,
    /// By e-mail address, in upper or lower case
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "", group = "who")]
    pub email: Option<String>,
    /// By telephone number; only digits count, and the country's code may be missing
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, default_missing_value = "", group = "who")]
    pub phone: Option<String>,
    /// By the provider's id of the customer
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "", group = "who")]
    pub customer_id: Option<String>,
    /// Take the value from this environment variable
    #[arg(long, value_name = "NAME", conflicts_with = "value_stdin")]
    pub value_env: Option<String>,
    /// Take the value from standard input
    #[arg(long)]
    pub value_stdin: bool,
    /// The mode.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Somebody, by one of the names that events have for them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Person {
    Email(String),
    Phone(String),
    Customer(String),
}

/// An order or other subject that speaks of the person.
#[derive(Debug, Clone, Serialize)]
struct FoundLine {
    order: String,
    events: usize,
    fields: Vec<String>,
}

/// Searches, and erases what was found.
pub async fn run(context: &Context, args: PersonArgs) -> Result<Exit, Error> {
    let command = "forget person";
    let (Some(source), None) = (&args.source, &args.how.resume) else {
        return carry_out(context, command, &args.how, Vec::new(), None).await;
    };
    let person = person(&args)?;
    check_known(context, source).await?;
    let (searched, found, read) = search(context, source, &person).await?;
    let slots = noting(context, quarantine::slots(context, source, |body| person.is_in(body)).await?);
    context.output.note(&format!(
        "{} of {source} {} searched. Of this person: {}, and {}",
        counted(searched, "event"),
        if searched == 1 { "was" } else { "were" },
        orders_and_subjects(found.len()),
        counted(slots.len(), "refused delivery")
    ));
    context.output.print_all(&found, text)?;
    let orphans =
        orphans::of_person(context, source.id(), |event, body| !person.fields(event, body).is_empty()).await?;
    let planned = found.into_iter().map(|line| line.order).chain(slots).chain(orphans).collect();
    // What cannot be read may speak of the person too.
    Ok(carry_out(context, command, &args.how, planned, None).await?.or(read))
}

/// Returns how many events were searched, what was found in them, and how the command ends as far as it is for the reading.
async fn search(
    context: &Context,
    source: &SourceName,
    person: &Person,
) -> Result<(usize, Vec<FoundLine>, Exit), Error> {
    let sources = std::slice::from_ref(source);
    let mut batches = EventBatches::of(context, sources, Range::ALL, WalkOrder::OldestFirst, usize::MAX).await?;
    let (mut searched, mut found): (usize, BTreeMap<String, FoundLine>) = Default::default();
    while let Some(events) = batches.next().await? {
        for kept in events.into_iter().filter(|kept| kept.damage.is_none()) {
            searched += 1;
            let body = kept.stored.as_ref().map(|stored| stored.row.body.as_slice()).unwrap_or_default();
            let fields = person.fields(Some(&kept.event), body);
            if fields.is_empty() {
                continue;
            }
            let order = kept.key.pk.clone();
            let empty = FoundLine { order: order.clone(), events: 0, fields: Vec::new() };
            let line = found.entry(order).or_insert(empty);
            line.events += 1;
            line.fields.extend(fields);
            line.fields.sort();
            line.fields.dedup();
        }
    }
    Ok((searched, found.into_values().collect(), batches.exit()))
}

fn person(args: &PersonArgs) -> Result<Person, Error> {
    let (typed, make): (&str, fn(String) -> Person) = match (&args.email, &args.phone, &args.customer_id) {
        (Some(typed), ..) => (typed, |value| Person::Email(value.to_lowercase())),
        (None, Some(typed), _) => (typed, |value| Person::Phone(digits(&value))),
        (None, None, Some(typed)) => (typed, Person::Customer),
        (None, None, None) => {
            return Err(Error::usage("it is not said whom").next("Name --email, --phone or --customer-id."));
        }
    };
    let value = match (&args.value_env, args.value_stdin) {
        (Some(name), _) => std::env::var(name).map_err(|_| Error::usage(format!("{name} is not set")))?,
        (None, true) => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Error::usage(format!("standard input cannot be read: {error}")))?;
            text
        }
        (None, false) => typed.to_owned(),
    };
    let person = make(value.trim().to_owned());
    let fits = match &person {
        Person::Email(value) => value.contains('@') && value.len() >= 5,
        Person::Phone(digits) => digits.len() >= DIGITS_MIN,
        Person::Customer(value) => !value.is_empty(),
    };
    if fits { Ok(person) } else { Err(unfit(&person)) }
}

/// Explains what is wrong with a value, without the value itself.
fn unfit(person: &Person) -> Error {
    Error::usage(match person {
        Person::Email(_) => "an e-mail address has an @ and something around it".to_owned(),
        Person::Phone(_) => format!("a telephone number has {DIGITS_MIN} digits or more"),
        Person::Customer(_) => "the customer's id is empty".to_owned(),
    })
    .next("Give the value behind the option, or with --value-env NAME or --value-stdin.")
}

impl Person {
    /// Returns the fields of an event that hold the value.
    fn fields(&self, event: Option<&Event>, body: &[u8]) -> Vec<String> {
        let event = serde_json::to_value(event).unwrap_or_default();
        let of_customer = kind(&event) == "customer";
        let mut values = BTreeMap::new();
        flatten(event.get("data").cloned().unwrap_or_default(), String::new(), &mut values);
        let is = |path: &str, value: &Value| self.is(path, value.as_str().unwrap_or_default(), of_customer);
        let mut fields: Vec<String> =
            values.iter().filter(|(path, value)| is(path, value)).map(|(path, _)| path.clone()).collect();
        if fields.is_empty() && self.is_in(body) {
            fields.push("elsewhere in the body".to_owned());
        }
        fields
    }

    fn is(&self, path: &str, value: &str, of_customer: bool) -> bool {
        let name = path.rsplit('.').next().unwrap_or_default();
        match self {
            Person::Email(email) => name == "email" && value.trim().to_lowercase() == *email,
            Person::Phone(number) => name == "phone" && same_number(number, &digits(value)),
            Person::Customer(id) => {
                let of_buyer = path.ends_with("customer.id") || path.ends_with("customer.user_id");
                (of_buyer || (of_customer && matches!(path, "id" | "user_id"))) && value == id
            }
        }
    }

    /// Returns whether a body has the value anywhere. A customer's id alone is too short for that.
    fn is_in(&self, body: &[u8]) -> bool {
        let text = || String::from_utf8_lossy(body).to_lowercase();
        match self {
            Person::Email(email) => text().contains(email.as_str()),
            Person::Phone(number) => text().contains(number.trim_start_matches('0')),
            Person::Customer(_) => false,
        }
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// `+62 812…`, `0062812…` and `0812…` are one number.
fn same_number(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    short.len() >= DIGITS_MIN && long.ends_with(short)
}

fn text(lines: &[FoundLine], paint: Paint) -> String {
    let row = |line: &FoundLine| vec![line.order.clone(), line.events.to_string(), line.fields.join(", ")];
    table(&["order or subject", "events", "where"], &lines.iter().map(row).collect::<Vec<_>>(), paint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_found_by_the_names_that_events_have_for_them() {
        let email = Person::Email("ann@example.com".to_owned());
        let phone = Person::Phone(digits("+62 812-3456-789"));
        let customer = Person::Customer("77".to_owned());
        for (person, path, value, of_customer, found) in [
            (&email, "customer.email", "Ann@Example.com ", false, true),
            (&email, "shipping_address.email", "ann@example.com", false, true),
            (&email, "customer.name", "ann@example.com", false, false),
            (&phone, "customer.phone", "08123456789", false, true),
            (&phone, "customer.phone", "62-8123456789", false, true),
            (&phone, "customer.phone", "6789", false, false),
            (&phone, "customer.phone", "18123456780", false, false),
            (&customer, "customer.id", "77", false, true),
            (&customer, "id", "77", true, true),
            (&customer, "id", "77", false, false),
            (&customer, "customer.id", "7", false, false),
        ] {
            assert_eq!(person.is(path, value, of_customer), found, "{person:?} {path} {value}");
        }
        assert!(email.is_in(br#"{"note": "ask ANN@example.com"}"#) && !email.is_in(b"{}"));
    }
}
