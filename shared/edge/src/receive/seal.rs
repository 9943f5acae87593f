//! Sealing: AES-256-GCM by the library that the AWS SDK's TLS uses anyway.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use webhook::secret::QuarantineKey;

/// The length that sealing adds: a nonce in front and a tag behind.
pub const OVERHEAD_BYTES: usize = NONCE_LEN + 16;

/// The cipher or its source of randomness failed. Holds no detail on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot be sealed, or was not sealed so")]
pub struct SealError;

/// Seals bytes for one place: `place` is needed to open them and is not part of the result, which is the nonce, the
/// sealed bytes and their tag.
pub fn seal(key: &QuarantineKey, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut sealed = plain.to_vec();
    let nonce = cipher(key)?.seal_in_place_append_tag(Aad::from(place), &mut sealed).map_err(|_| SealError)?;
    Ok([nonce.as_ref().as_slice(), &sealed].concat())
}

/// Opens bytes that were sealed under this key for this place.
pub fn open(key: &QuarantineKey, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
    let mut opened = sealed.to_vec();
    let plain = cipher(key)?.open_in_place(nonce, Aad::from(place), &mut opened).map_err(|_| SealError)?;
    Ok(plain.to_vec())
}

/// Returns 32 random bytes, for a new key or token.
pub fn random() -> Result<[u8; 32], SealError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SealError)?;
    Ok(bytes)
}

fn cipher(key: &QuarantineKey) -> Result<RandomizedNonceKey, SealError> {
    RandomizedNonceKey::new(&AES_256_GCM, key.as_bytes()).map_err(|_| SealError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_and_the_place_open_what_was_sealed() {
        let (key, other) = (QuarantineKey::new(random().unwrap()), QuarantineKey::new(random().unwrap()));
        for plain in [&b""[..], b"a body", &[7; 20_000]] {
            let sealed = seal(&key, b"here", plain).unwrap();
            assert_eq!(sealed.len(), plain.len() + OVERHEAD_BYTES);
            assert_ne!(sealed, seal(&key, b"here", plain).unwrap(), "a nonce is never used again");
            assert_eq!(open(&key, b"here", &sealed).unwrap(), plain);
            assert_eq!(open(&other, b"here", &sealed), Err(SealError));
            assert_eq!(open(&key, b"there", &sealed), Err(SealError));
            for at in [0, NONCE_LEN, sealed.len() / 2, sealed.len() - 1] {
                let mut tampered = sealed.clone();
                tampered[at] ^= 1;
                assert_eq!(open(&key, b"here", &tampered), Err(SealError), "byte {at}");
            }
            for length in [0, NONCE_LEN - 1, NONCE_LEN, sealed.len() - 1] {
                assert_eq!(open(&key, b"here", &sealed[..length]), Err(SealError), "{length} bytes");
            }
        }
    }
}
