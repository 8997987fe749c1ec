//! Thread-locals of the checker's threads, with the face of `std`'s.

use super::checker::thread::LocalKey;
use std::cell::Cell;

/// As in `std`, but what is after `const` is evaluated for each thread.
macro_rules! local_statics {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = const { $init:expr };)*) => {
        $crate::sync::model::checker::thread_local! {
            $($(#[$attribute])* static $name: $type = $init;)*
        }
    };
}
pub(crate) use local_statics as thread_local;

/// What `std`'s thread-local cells can do.
pub(crate) trait LocalCell<T> {
    fn get(&'static self) -> T;
    fn set(&'static self, value: T);
}

impl<T: Copy + 'static> LocalCell<T> for LocalKey<Cell<T>> {
    fn get(&'static self) -> T {
        self.with(Cell::get)
    }

    fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }
}
