//! How much of its thread's stack a worker has used.

/// The stack of a worker, for tasks that are run on top of others.
#[derive(Clone, Copy)]
pub(crate) struct StackSize {
    /// The address of a local variable near its beginning.
    base: usize,
    size: usize,
}

impl StackSize {
    /// The current thread's, which has hardly used any of it.
    pub(crate) fn new(size: usize) -> StackSize {
        StackSize {
            base: address_of_a_local(),
            size,
        }
    }

    /// Whether less than half of it is used. Called on the same thread.
    pub(crate) fn has_half_left(self) -> bool {
        self.base.abs_diff(address_of_a_local()) < self.size / 2
    }
}

#[inline(never)]
fn address_of_a_local() -> usize {
    let local = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&local)).addr()
}
