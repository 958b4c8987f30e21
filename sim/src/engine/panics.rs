//! Panics of the store, also those in tasks, where nobody else would hear of them.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static IS_WATCHED: RefCell<bool> = const { RefCell::new(false) };
}

static INSTALL: Once = Once::new();

/// Watches this thread: its panics are kept instead of printed.
pub fn watch() {
    IS_WATCHED.set(true);
    INSTALL.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_WATCHED.with_borrow(|is_watched| *is_watched) {
                return usual(panic);
            }
            PANIC.with_borrow_mut(|kept| {
                kept.get_or_insert_with(|| panic.to_string().replace('\n', ": "));
            });
        }));
    });
}

/// The first panic of this thread since it was asked for last.
pub fn take() -> Option<String> {
    PANIC.take()
}
