//! What a caught panic said. Knows nothing of who panicked.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The message of a caught panic, and the end of its payload: that is the application's, so its
/// `Drop` may panic in turn, and whoever caught the first panic must survive that too.
pub fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let message = match payload.downcast_ref::<&'static str>() {
        Some(message) => (*message).to_owned(),
        None => match payload.downcast_ref::<String>() {
            Some(message) => message.clone(),
            None => "a payload without text".to_owned(),
        },
    };
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // A third panic may wait in the second payload; what it owns is lost instead.
        std::mem::forget(second);
    }
    message
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any(Bomb);
        }
    }

    fn message_of(panics: impl FnOnce()) -> String {
        panic_message(catch_unwind(AssertUnwindSafe(panics)).unwrap_err())
    }

    #[test]
    fn a_message_is_text_however_it_was_made() {
        assert_eq!(message_of(|| panic!("plain")), "plain");
        assert_eq!(message_of(|| panic!("number {}", 7)), "number 7");
        assert_eq!(message_of(|| panic_any(7_u8)), "a payload without text");
    }

    #[test]
    fn a_payload_whose_drop_panics_does_no_harm() {
        assert_eq!(message_of(|| panic_any(Bomb)), "a payload without text");
    }
}
