//! Holds features for other packages and has no code of its own: see `Cargo.toml`.
