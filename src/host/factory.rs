//! What makes the value of each incarnation.

use super::context::ServiceContext;
use super::service::{Service, ServiceResult};
use crate::unwind::{self, Payload};

/// A factory. The value may borrow from it: closures are lent to one incarnation
/// after the other.
pub(crate) trait Make: Send {
    fn make(&mut self) -> Box<dyn Service + '_>;
}

/// What a host keeps of a factory. It is the program's code, and dropped under guard,
/// wherever the host is when that happens; where there is a report for it, by
/// [`close`](Factory::close).
pub(super) struct Factory {
    service: String,
    make: Box<dyn Make>,
}

impl Factory {
    pub(super) fn new(service: &str, make: impl Make + 'static) -> Factory {
        Factory {
            service: service.to_owned(),
            make: Box::new(make),
        }
    }

    pub(super) fn make(&mut self) -> Box<dyn Service + '_> {
        self.make.make()
    }

    /// Drops the program's code.
    ///
    /// # Errors
    ///
    /// What its drop panicked with.
    pub(super) fn close(mut self) -> Result<(), Payload> {
        let make = std::mem::replace(&mut self.make, Box::new(Nobody));
        unwind::catch(|| drop(make))
    }
}

impl Drop for Factory {
    fn drop(&mut self) {
        let make = std::mem::replace(&mut self.make, Box::new(Nobody));
        unwind::drop_guarded(make, || {
            format!("the factory of service {:?}", self.service)
        });
    }
}

/// In the place of what was dropped.
struct Nobody;

impl Make for Nobody {
    fn make(&mut self) -> Box<dyn Service + '_> {
        Box::new(Nobody)
    }
}

impl Service for Nobody {}

/// The program's own factory.
pub(super) struct ServiceMake<F>(pub(super) F);

impl<S: Service + 'static, F: FnMut() -> S + Send> Make for ServiceMake<F> {
    fn make(&mut self) -> Box<dyn Service + '_> {
        Box::new((self.0)())
    }
}

/// A closure as a service: its `run`.
pub(super) struct BackgroundMake<F>(pub(super) F);

struct Background<'a, F>(&'a mut F);

impl<F: FnMut(&ServiceContext) -> ServiceResult + Send> Make for BackgroundMake<F> {
    fn make(&mut self) -> Box<dyn Service + '_> {
        Box::new(Background(&mut self.0))
    }
}

impl<F: FnMut(&ServiceContext) -> ServiceResult> Service for Background<'_, F> {
    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        (self.0)(ctx)
    }
}

/// A closure that gates others: its `start`, and nothing after that.
pub(super) struct StartupMake<F>(pub(super) F);

struct StartupTask<'a, F>(&'a mut F);

impl<F: FnMut(&ServiceContext) -> ServiceResult + Send> Make for StartupMake<F> {
    fn make(&mut self) -> Box<dyn Service + '_> {
        Box::new(StartupTask(&mut self.0))
    }
}

impl<F: FnMut(&ServiceContext) -> ServiceResult> Service for StartupTask<'_, F> {
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        (self.0)(ctx)
    }
}
