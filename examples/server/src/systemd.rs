//! What systemd has to know: that the server is ready, that it is alive, and that it stops.

use groundcrew::ServiceContext;
use groundcrew::host::ServiceResult;
use sd_notify::NotifyState;

/// A service that is after all others, so they are up when it runs. Where systemd does not wait
/// for messages, none is sent.
pub(crate) fn supervise(ctx: &ServiceContext) -> ServiceResult {
    sd_notify::notify(&[NotifyState::Ready])?;
    if let Some(limit) = sd_notify::watchdog_enabled() {
        while ctx.sleep(limit / 2).is_ok() {
            if ctx.host().is_alive() {
                sd_notify::notify(&[NotifyState::Watchdog])?;
            }
        }
    } else {
        ctx.token().wait();
    }
    Ok(sd_notify::notify(&[NotifyState::Stopping])?)
}
