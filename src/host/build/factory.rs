//! What makes the value of each incarnation.

use crate::host::context::ServiceContext;
use crate::host::failure::ServiceResult;
use crate::host::service::Service;
use crate::trace::Parent;
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
    /// The span in which the service was registered.
    parent: Parent,
}

impl Factory {
    pub(super) fn new(service: &str, make: Box<dyn MakeService>) -> Factory {
        Factory {
            service: service.to_owned(),
            make,
            parent: Parent::current(),
        }
    }

    pub(in crate::host) fn parent(&self) -> &Parent {
        &self.parent
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

/// A closure as a service: its `run`, or, for a startup task, its `start`.
pub(super) struct Closure<F> {
    closure: F,
    is_startup: bool,
}

impl<F: FnMut(&ServiceContext) -> ServiceResult> Closure<F> {
    pub(super) fn background(closure: F) -> Closure<F> {
        Closure {
            closure,
            is_startup: false,
        }
    }

    pub(super) fn startup_task(closure: F) -> Closure<F> {
        Closure {
            closure,
            is_startup: true,
        }
    }
}

impl<F: FnMut(&ServiceContext) -> ServiceResult + Send> MakeService for Closure<F> {
    fn make(&mut self) -> Box<dyn Service + '_> {
        // Lent, since what the closure captured has to be there for the next incarnation.
        Box::new(Lent(self))
    }
}

struct Lent<'a, F>(&'a mut Closure<F>);

impl<F: FnMut(&ServiceContext) -> ServiceResult> Service for Lent<'_, F> {
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        match self.0.is_startup {
            true => (self.0.closure)(ctx),
            false => Ok(()),
        }
    }

    // Of a startup task this is never called: see `Options::only_starts`.
    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        (self.0.closure)(ctx)
    }
}
