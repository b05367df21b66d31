//! Runs code that may panic so that neither the panic nor its message reaches the user.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; a panic becomes its message.
///
/// The caller must throw away whatever `f` was changing when it panicked.
pub(crate) fn quietly<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // sled writes on threads of its own; the calls that wait for them report the failure.
            let of_sled = std::thread::current().name().is_some_and(|name| name.starts_with("sled-"));
            if !QUIET.get() && !of_sled {
                loud(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    QUIET.set(before);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_becomes_a_message() {
        assert_eq!(super::quietly(|| panic!("number {}", 7)), Err::<(), _>("number 7".to_owned()));
        assert_eq!(super::quietly(|| 7), Ok(7));
    }
}
