#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    echoic_fuzz::json(data);
});
