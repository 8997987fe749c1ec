//! What names the task in the message of a panic.

use crate::async_log::to_stderr;
use crate::queue::current_task;
use crate::sync::StaticMutex;
use crate::table::quoted;
use std::panic;

/// Installs a panic hook that names the task in which the panic is. It calls the hook that was
/// there before, which by default prints the message of the panic, and then writes a line to
/// stderr. Further calls do nothing.
///
/// Without it, Rust's message has the name of the thread: that of the worker, which has run many
/// tasks, or that of the service. With it, a panic in a task is shown as:
///
/// ```text
/// thread 'render-0' panicked at src/image.rs:40:9:
/// no pixels
/// note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
/// note: it ran task #7 "resize beach.png" of pool "render", submitted at src/main.rs:88:14
/// ```
///
/// A panic outside of the workers of a pool gets no such line. Call this early in `main`, after
/// other code has installed its hooks: a hook that is installed later, and does not call the one
/// before it, replaces this one.
///
/// # Panics
///
/// Panics if called from a panicking thread, like [`std::panic::set_hook`].
///
/// # Examples
///
/// ```
/// groundcrew::task::install_panic_hook();
/// let pool = groundcrew::Pool::new(1)?;
/// let task = pool.task("resize beach.png").submit(|| assert!(false, "no pixels"))?;
/// assert!(task.join().is_err()); // stderr has both lines
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub fn install_panic_hook() {
    static IS_INSTALLED: StaticMutex<bool> = StaticMutex::new(false);
    let mut is_installed = IS_INSTALLED.lock();
    if *is_installed {
        return;
    }
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        before(panic);
        if let Some((task, pool)) = current_task() {
            to_stderr(&format!(
                "note: it ran task #{} {} of pool {}, submitted at {}",
                task.id(),
                quoted(task.name()),
                quoted(&pool),
                task.submitted_at()
            ));
        }
    }));
    *is_installed = true;
}
