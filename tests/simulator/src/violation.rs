//! Broken invariants.

/// A broken invariant.
#[derive(Debug, Clone)]
pub struct Violation {
    /// The invariant.
    pub invariant: &'static str,
    /// The evidence.
    pub found: String,
}

impl Violation {
    /// Makes a violation.
    pub fn new(invariant: &'static str, found: String) -> Self {
        Violation { invariant, found }
    }
}
