//! SHOPLINE's notation of ids, money and translated texts.

use crate::read::body_reader::Node;
use crate::read::money::{Amount, Money};
use crate::read::presence::Presence;

/// `_id` in webhooks; `id` in the API, and in the webhooks of categories.
pub(super) fn id(node: &Node<'_>) -> Option<String> {
    node.text_or_none("_id").or_else(|| node.text_or_none("id"))
}

/// `{cents, currency_symbol, currency_iso, label, dollars}`: `dollars` are major units, and `cents` are smallest units
/// as SHOPLINE counts them, which for NT$260 is 260. So the exponent follows from the two, never from ISO 4217.
pub(super) fn money(node: &Node<'_>, name: &str) -> Presence<Money> {
    let parts =
        node.object(name, |money| (money.amount("dollars"), money.amount("cents"), money.text_or_none("currency_iso")));
    match parts {
        Presence::Value((Presence::Value(amount), cents, currency)) => {
            let exponent = cents.value().and_then(|cents| amount.exponent_to(*cents));
            Presence::Value(Money {
                // Zero is zero in every unit, so it has no exponent.
                exponent: exponent.filter(|_| amount != Amount::ZERO),
                contradicting_smallest_units: cents.value().copied().filter(|_| exponent.is_none()),
                ..Money::new(amount, currency)
            })
        }
        // Smallest units alone are not an amount: nothing says how many make a major unit.
        Presence::Value((_, Presence::Value(_), _)) => node.get(name).unreadable(),
        Presence::Null | Presence::Value((Presence::Null, ..)) => Presence::Null,
        Presence::Absent | Presence::Value((Presence::Absent, ..)) => Presence::Absent,
    }
}

/// The provider's languages; the first that is given names a thing, its home market's before all others.
const LANGUAGES: &[&str] = &["zh-hant", "en", "zh-cn", "ja", "vi", "th", "ms", "id", "de", "fr"];

pub(super) fn translated(node: &Node<'_>, name: &str) -> Presence<String> {
    let texts = node.get(name);
    LANGUAGES.iter().map(|language| texts.text(language)).find(|text| text.value().is_some()).unwrap_or_default()
}

/// The words of a variant, such as colour and size, in the first language that has any.
pub(super) fn translated_words(node: &Node<'_>, name: &str) -> Presence<String> {
    let translations = node.get(name);
    let words = |language: &&str| {
        let words = if translations.is_present() { texts(&translations, language) } else { Presence::Absent };
        words.map(|words| words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" / "))
    };
    LANGUAGES.iter().map(words).find(|text| text.value().is_some_and(|text| !text.is_empty())).unwrap_or_default()
}

pub(super) fn texts(node: &Node<'_>, name: &str) -> Presence<Vec<String>> {
    let texts = node.list(name, Node::as_text);
    texts.map(|texts| texts.iter().filter_map(|text| text.value().cloned()).collect())
}

/// A text, or a list of texts joined by commas; null where the list is empty.
pub(super) fn joined(node: &Node<'_>, name: &str) -> Presence<String> {
    if node.get(name).is_scalar() {
        return node.text(name);
    }
    match texts(node, name) {
        Presence::Value(texts) if texts.is_empty() => Presence::Null,
        texts => texts.map(|texts| texts.join(",")),
    }
}
