#![no_main]

#[allow(dead_code, reason = "each target needs one law")]
#[path = "../../tests/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    laws::arp(bytes);
});
