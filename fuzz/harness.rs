//! What libFuzzer calls. Its crate is left out here: in the same build it would have the C++ parts
//! of other dependencies built anew.

/// Makes a `fn(&[u8])` the target of the binary. A panic ends the process, which libFuzzer sees.
macro_rules! target {
    ($run:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, len: usize) -> std::ffi::c_int {
            let bytes = match len {
                0 => &[],
                // SAFETY: libFuzzer gives `len` readable bytes, and leaves them alone meanwhile.
                _ => unsafe { std::slice::from_raw_parts(data, len) },
            };
            $run(bytes);
            0
        }
    };
}
