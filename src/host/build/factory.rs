//! What makes the value of each incarnation.

use crate::host::context::ServiceContext;
use crate::host::failure::ServiceResult;
use crate::host::service::Service;
use crate::unwind::{self, Payload};

/// Makes the service of each incarnation. The service may borrow from it: closures are lent to
/// one incarnation after the other.
pub(crate) trait MakeService: Send {
    fn make(&mut self) -> Box<dyn Service + '_>;
}

/// What a host keeps of the program's factory. Its drop is the program's code, and so guarded,
/// wherever the host is when that happens; where there is a report for it, by
/// [`close`](Factory::close).
pub(in crate::host) struct Factory {
    service: String,
    make: Box<dyn MakeService>,
}

impl Factory {
    pub(super) fn new(service: &str, make: Box<dyn MakeService>) -> Factory {
        Factory {
            service: service.to_owned(),
            make,
        }
    }

    pub(in crate::host) fn make(&mut self) -> Box<dyn Service + '_> {
        self.make.make()
    }

    /// Drops the program's code.
    ///
    /// # Errors
    ///
    /// The payload of a panic in its drop.
    pub(in crate::host) fn close(mut self) -> Result<(), Payload> {
        let make = std::mem::replace(&mut self.make, Box::new(Dropped));
        unwind::catch(|| drop(make))
    }
}

impl Drop for Factory {
    fn drop(&mut self) {
        let make = std::mem::replace(&mut self.make, Box::new(Dropped));
        unwind::drop_guarded(make, || {
            format!("the factory of service {:?}", self.service)
        });
    }
}

/// In the place of a factory that was dropped.
struct Dropped;

impl MakeService for Dropped {
    fn make(&mut self) -> Box<dyn Service + '_> {
        Box::new(Dropped)
    }
}

impl Service for Dropped {}

/// The program's own factory.
pub(super) struct FromFactory<F>(pub(super) F);

impl<S: Service + 'static, F: FnMut() -> S + Send> MakeService for FromFactory<F> {
    fn make(&mut self) -> Box<dyn Service + '_> {
        Box::new((self.0)())
    }
}

/// A closure as a service: its `run`.
pub(super) struct Background<F>(pub(super) F);

struct BackgroundService<'a, F>(&'a mut F);

impl<F: FnMut(&ServiceContext) -> ServiceResult + Send> MakeService for Background<F> {
    fn make(&mut self) -> Box<dyn Service + '_> {
        Box::new(BackgroundService(&mut self.0))
    }
}

impl<F: FnMut(&ServiceContext) -> ServiceResult> Service for BackgroundService<'_, F> {
    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        (self.0)(ctx)
    }
}

/// A closure that is called at the start, before the services that need it: its `start`.
pub(super) struct StartupTask<F>(pub(super) F);

struct StartupTaskService<'a, F>(&'a mut F);

impl<F: FnMut(&ServiceContext) -> ServiceResult + Send> MakeService for StartupTask<F> {
    fn make(&mut self) -> Box<dyn Service + '_> {
        Box::new(StartupTaskService(&mut self.0))
    }
}

impl<F: FnMut(&ServiceContext) -> ServiceResult> Service for StartupTaskService<'_, F> {
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        (self.0)(ctx)
    }
}
