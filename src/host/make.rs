//! What makes the value of each incarnation.

use super::context::ServiceContext;
use super::service::{Service, ServiceResult};

/// A factory. The value may borrow from it: closures are lent to one incarnation
/// after the other.
pub(super) trait Make: Send {
    fn make(&mut self) -> Box<dyn Service + '_>;
}

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
