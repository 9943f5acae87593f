//! CloudEvents attributes that hold a provider's text.

/// A longer attribute is shortened: a queue must be able to take an event's envelope whatever a body says.
const ATTRIBUTE_CHARACTERS_MAX: usize = 200;

/// A text as a CloudEvents attribute may hold it: no control characters, no non-characters, not without end.
/// The kept body has the whole text.
pub(crate) fn attribute(text: String) -> String {
    let text: String = text.chars().take(ATTRIBUTE_CHARACTERS_MAX).collect();
    let forbidden = |character: char| {
        let code = u32::from(character);
        character.is_control() || (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
    };
    if text.contains(forbidden) { text.replace(forbidden, "\u{fffd}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_hold_what_cloudevents_allows() {
        for (text, expected) in [
            ("order.created", "order.created"),
            ("a\0b\u{7f}\u{9f}", "a\u{fffd}b\u{fffd}\u{fffd}"),
            (&"x".repeat(300), &"x".repeat(200)),
            ("\u{fffe}\u{fdd0}\u{1ffff}é😀", "\u{fffd}\u{fffd}\u{fffd}é😀"),
        ] {
            assert_eq!(attribute(text.to_owned()), expected);
        }
    }
}
