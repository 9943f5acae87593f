//! Compression of bodies and views: zstd, with a dictionary for each provider's bodies and one for order views.
//!
//! A dictionary holds what bodies of one form have in common, names of fields for the most part, so that a row does not
//! store it again. A frame names its dictionary by number, and rows are kept for ever: a dictionary that was released is
//! never changed nor taken out, and a new one is not written with before every function can read it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::OnceLock;

use zstd::bulk::Compressor;
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::stream::read::Decoder;
use zstd::zstd_safe::get_dict_id_from_frame;

use crate::keep::item::BODY_BYTES_MAX;

/// A higher level takes several times as long and saves no write unit on any sample: docs/measurements.md.
const LEVEL: i32 = 1;

/// The number of no dictionary.
const NONE: u32 = 0;

/// Bytes that zstd may refer to without storing them. Made by `dictionaries/train.py`.
struct Dictionary {
    /// The number by which frames name it.
    number: u32,
    /// A provider, whose bodies are written with it, or [`VIEWS`]; `None` for one that is only read, or not written yet.
    written_for: Option<&'static str>,
    bytes: &'static [u8],
    encoder: OnceLock<EncoderDictionary<'static>>,
    decoder: OnceLock<DecoderDictionary<'static>>,
}

const VIEWS: &str = "views";

static DICTIONARIES: [Dictionary; 5] = [
    Dictionary::new(40_001, Some("scalev"), include_bytes!("../../dictionaries/scalev-1.zdict")),
    Dictionary::new(41_001, Some("scalapay"), include_bytes!("../../dictionaries/scalapay-1.zdict")),
    Dictionary::new(42_001, Some("shopline"), include_bytes!("../../dictionaries/shopline-1.zdict")),
    Dictionary::new(43_001, Some("selldone"), include_bytes!("../../dictionaries/selldone-1.zdict")),
    Dictionary::new(44_001, Some(VIEWS), include_bytes!("../../dictionaries/views-1.zdict")),
];

impl Dictionary {
    const fn new(number: u32, written_for: Option<&'static str>, bytes: &'static [u8]) -> Self {
        Dictionary { number, written_for, bytes, encoder: OnceLock::new(), decoder: OnceLock::new() }
    }

    fn compressor(&'static self) -> io::Result<Compressor<'static>> {
        let encoder = self.encoder.get_or_init(|| EncoderDictionary::copy(self.bytes, LEVEL));
        Compressor::with_prepared_dictionary(encoder)
    }

    fn decoder(&'static self) -> &'static DecoderDictionary<'static> {
        self.decoder.get_or_init(|| DecoderDictionary::copy(self.bytes))
    }
}

thread_local! {
    /// Made once each: a context's tables cost more than compressing a sample does.
    static COMPRESSORS: RefCell<BTreeMap<u32, Compressor<'static>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Compresses bytes of any form.
pub fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    compress_with(None, plain)
}

/// Compresses a provider's body.
pub fn compress_body(provider: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    compress_with(written_for(provider), body)
}

/// Compresses an order view.
pub fn compress_view(view: &[u8]) -> io::Result<Vec<u8>> {
    compress_with(written_for(VIEWS), view)
}

fn written_for(what: &str) -> Option<&'static Dictionary> {
    DICTIONARIES.iter().rfind(|dictionary| dictionary.written_for == Some(what))
}

fn compress_with(dictionary: Option<&'static Dictionary>, plain: &[u8]) -> io::Result<Vec<u8>> {
    let number = dictionary.map_or(NONE, |dictionary| dictionary.number);
    COMPRESSORS.with_borrow_mut(|compressors| {
        if let Some(compressor) = compressors.get_mut(&number) {
            return compressor.compress(plain);
        }
        let mut made = dictionary.map_or_else(|| Compressor::new(LEVEL), Dictionary::compressor)?;
        let compressed = made.compress(plain);
        compressors.insert(number, made);
        compressed
    })
}

/// A reason why bytes were not decompressed.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// A later build wrote it: it is not damaged.
    #[error("it is compressed with dictionary {0}, which this build does not have")]
    UnknownDictionary(u32),
    /// It is not a frame, a broken one, or longer than anything that was accepted.
    #[error(transparent)]
    Damaged(#[from] io::Error),
}

/// Decompresses at most [`BODY_BYTES_MAX`], compressed by this release or any before.
pub fn decompress(compressed: &[u8]) -> Result<Vec<u8>, DecompressError> {
    match get_dict_id_from_frame(compressed) {
        None => Ok(read(Decoder::with_buffer(compressed)?)?),
        Some(number) => {
            let known = DICTIONARIES.iter().find(|dictionary| dictionary.number == number.get());
            let known = known.ok_or(DecompressError::UnknownDictionary(number.get()))?;
            Ok(read(Decoder::with_prepared_dictionary(compressed, known.decoder())?)?)
        }
    }
}

fn read(decoder: impl Read) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let length = decoder.take(BODY_BYTES_MAX + 1).read_to_end(&mut plain)?;
    if u64::try_from(length).unwrap_or(u64::MAX) > BODY_BYTES_MAX {
        return Err(io::Error::other("a kept body is longer than any that was accepted"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn bombs_are_not_decompressed() {
        let bomb = zstd::bulk::compress(&vec![0; 64 * 1024 * 1024], 3).unwrap();
        assert!(bomb.len() < 10_000);
        assert!(decompress(&bomb).is_err());
        assert_eq!(decompress(&compress(b"abc").unwrap()).unwrap(), b"abc");
        assert!(decompress(b"no zstd").is_err());
    }

    #[test]
    fn every_provider_has_a_dictionary_whose_frames_name_it() {
        for provider in webhook::providers::PROVIDERS {
            for body in [&b"{}"[..], b"", br#"{"event":"order.created","orderToken":"1"}"#, &vec![b'x'; 2_000_000]] {
                let compressed = compress_body(provider.name, body).unwrap();
                assert!(get_dict_id_from_frame(&compressed).is_some(), "{}", provider.name);
                assert_eq!(decompress(&compressed).unwrap(), body);
            }
        }
        let numbers: std::collections::BTreeSet<u32> =
            DICTIONARIES.iter().map(|dictionary| dictionary.number).collect();
        assert_eq!(numbers.len(), DICTIONARIES.len());
        for dictionary in &DICTIONARIES {
            let number = zstd::zstd_safe::get_dict_id_from_dict(dictionary.bytes).unwrap();
            assert_eq!(number.get(), dictionary.number);
        }
    }

    /// Rows name these for ever: what was released must stay as it was.
    #[test]
    fn dictionaries_are_what_they_were() {
        let digests = DICTIONARIES.iter().map(|dictionary| hex::encode(Sha256::digest(dictionary.bytes)));
        let shortened: Vec<String> = digests.map(|digest| digest.chars().take(16).collect()).collect();
        assert_eq!(
            shortened,
            ["0dfef18f6070c928", "2ede6840b9764e04", "82f1ea5dd3406e5d", "bf50031728913152", "bb0ee51b90e4ddfe"]
        );
    }

    #[test]
    fn frames_without_a_dictionary_and_of_an_unknown_one_are_distinguished() {
        let plain = zstd::bulk::compress(b"an older row's body", 9).unwrap();
        assert_eq!(decompress(&plain).unwrap(), b"an older row's body");
        let mut unknown = compress_body("scalev", b"{}").unwrap();
        let place = unknown.windows(2).position(|pair| pair == 40_001_u16.to_le_bytes()).unwrap();
        unknown[place] += 1;
        assert!(matches!(decompress(&unknown), Err(DecompressError::UnknownDictionary(40_002))));
    }
}
