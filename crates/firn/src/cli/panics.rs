//! A mistake in firn is reported like every other error, not as a stack trace.

use crate::error::FirnError;
use std::sync::{Mutex, PoisonError};

static LAST: Mutex<Option<(String, String)>> = Mutex::new(None);

/// Remembers what went wrong instead of printing it.
pub fn keep_quiet() {
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let what = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((place, what));
    }));
}

/// What went wrong last.
pub fn last() -> FirnError {
    let (place, what) = LAST
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
        .unwrap_or_else(|| ("an unknown place".to_owned(), "no message".to_owned()));
    FirnError::Panic { place, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_place() {
        let before = std::panic::take_hook();
        keep_quiet();
        let caught = std::panic::catch_unwind(|| panic!("the count is {}", 3));
        std::panic::set_hook(before);
        assert!(caught.is_err());
        match last() {
            FirnError::Panic { place, what } => {
                assert!(place.contains("panics.rs:"), "{place}");
                assert_eq!(what, "the count is 3");
            }
            other => panic!("{other:?}"),
        }
    }
}
