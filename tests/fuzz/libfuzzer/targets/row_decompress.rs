#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::row_decompress(data));
