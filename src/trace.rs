//! Spans of the crate `tracing`, with the feature of that name. Without it nothing here has a size
//! or does anything.
//!
//! A subscriber is the program's code, and so it is called without a lock, and may panic. Where no
//! subscriber is set, a task costs one relaxed load where it is submitted and one where it is run.

#[cfg(not(feature = "tracing"))]
use off as spans;
#[cfg(feature = "tracing")]
use on as spans;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use spans::schedule_run;
#[cfg(not(loom))]
pub(crate) use spans::service_run;
#[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
pub(crate) use spans::{Entered, job};
pub(crate) use spans::{Parent, task};

#[cfg(feature = "tracing")]
mod on {
    #[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
    use crate::record::JOBS;
    use crate::record::{HOST, POOL, SCHEDULE, is_traced};
    use crate::threads;
    use crate::unwind::{self, Guarded};
    use crate::worker::TaskInfo;
    use tracing::field::Empty;
    use tracing::span::EnteredSpan;
    use tracing::{Span, info_span};

    /// The span that was current where something was submitted or registered.
    #[derive(Default)]
    pub(crate) struct Parent(Option<Guarded<Span>>);

    impl Parent {
        /// That of this thread.
        #[inline]
        pub(crate) fn current() -> Parent {
            match is_traced() {
                false => Parent(None),
                true => Parent::of_this_thread(),
            }
        }

        #[cold]
        fn of_this_thread() -> Parent {
            let current = guarded(Span::current).filter(|span| !span.is_none());
            Parent(current.map(|span| Guarded::new(span, "a span")))
        }

        #[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
        pub(crate) fn is_none(&self) -> bool {
            self.0.is_none()
        }

        fn span(&self) -> Option<&Span> {
            self.0.as_deref()
        }
    }

    impl Clone for Parent {
        fn clone(&self) -> Parent {
            let span = self.span().and_then(|span| guarded(|| span.clone()));
            Parent(span.map(|span| Guarded::new(span, "a span")))
        }
    }

    /// A span that this thread has entered, until its end, or its drop if the thread unwinds.
    pub(crate) struct Entered(Option<EnteredSpan>);

    impl Entered {
        const NONE: Entered = Entered(None);

        #[inline]
        pub(crate) fn end(mut self, outcome: &'static str) {
            if self.0.is_some() {
                self.leave(outcome);
            }
        }

        #[cold]
        fn leave(&mut self, outcome: &'static str) {
            let span = self.0.take();
            guarded(|| {
                if let Some(span) = span {
                    span.record("outcome", outcome);
                }
            });
        }
    }

    impl Drop for Entered {
        #[inline]
        fn drop(&mut self) {
            if self.0.is_some() {
                self.leave(match threads::is_panicking() {
                    true => "panicked",
                    false => "ended",
                });
            }
        }
    }

    fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
        match unwind::catch(call) {
            Ok(value) => Some(value),
            Err(payload) => {
                unwind::drop_payload(payload);
                None
            }
        }
    }

    /// Enters a span that `new` makes below `parent`. If the subscriber does not want it, that is
    /// entered itself, so that the events inside are still below it.
    #[cold]
    fn enter(parent: &Parent, new: impl FnOnce(Option<tracing::Id>) -> Span) -> Entered {
        Entered(guarded(|| {
            let span = new(parent.span().and_then(Span::id));
            match parent.span() {
                Some(parent) if span.is_disabled() => parent.clone().entered(),
                _ => span.entered(),
            }
        }))
    }

    /// A run of a task, or one of its attempts.
    #[inline]
    pub(crate) fn task(parent: Parent, info: impl FnOnce() -> TaskInfo) -> Entered {
        match is_traced() {
            false => Entered::NONE,
            true => enter(&parent, |parent| {
                let info = info();
                info_span!(
                    target: POOL,
                    parent: parent,
                    "task",
                    id = info.id(),
                    name = info.name(),
                    location = %info.submitted_at(),
                    attempt = info.attempts(),
                    outcome = Empty,
                )
            }),
        }
    }

    /// An incarnation of a service.
    pub(crate) fn service_run(parent: &Parent, host: &str, name: &str) -> Entered {
        match is_traced() {
            false => Entered::NONE,
            true => enter(
                parent,
                |parent| info_span!(target: HOST, parent: parent, "service", host, name, outcome = Empty),
            ),
        }
    }

    /// An attempt of a durable job. Where its parent is not known, it has none.
    #[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
    pub(crate) fn job(
        parent: Option<&Parent>,
        id: i64,
        kind: &str,
        queue: &str,
        attempt: u32,
    ) -> Entered {
        match is_traced() {
            false => Entered::NONE,
            true => enter(parent.unwrap_or(&Parent(None)), |parent| {
                info_span!(
                    target: JOBS,
                    parent: parent,
                    "job",
                    id,
                    kind,
                    queue,
                    attempt,
                    outcome = Empty,
                )
            }),
        }
    }

    /// A run of a schedule's entry, below the task that it is.
    pub(crate) fn schedule_run(name: &str, due: impl FnOnce() -> String) -> Entered {
        match is_traced() {
            false => Entered::NONE,
            true => enter(&Parent::of_this_thread(), |parent| {
                let due = due();
                info_span!(
                    target: SCHEDULE, parent: parent, "schedule", name, due, outcome = Empty
                )
            }),
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use crate::worker::TaskInfo;

    #[derive(Clone, Default)]
    pub(crate) struct Parent(());

    impl Parent {
        #[inline(always)]
        pub(crate) fn current() -> Parent {
            Parent(())
        }

        #[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
        #[inline(always)]
        pub(crate) fn is_none(&self) -> bool {
            true
        }
    }

    pub(crate) struct Entered;

    impl Entered {
        #[inline(always)]
        pub(crate) fn end(self, _: &'static str) {}
    }

    #[inline(always)]
    pub(crate) fn task(_: Parent, _: impl FnOnce() -> TaskInfo) -> Entered {
        Entered
    }

    #[inline(always)]
    #[cfg_attr(any(loom, shuttle), allow(dead_code))]
    pub(crate) fn service_run(_: &Parent, _: &str, _: &str) -> Entered {
        Entered
    }

    #[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
    #[inline(always)]
    pub(crate) fn job(_: Option<&Parent>, _: i64, _: &str, _: &str, _: u32) -> Entered {
        Entered
    }

    #[inline(always)]
    #[cfg_attr(any(loom, shuttle), allow(dead_code))]
    pub(crate) fn schedule_run(_: &str, _: impl FnOnce() -> String) -> Entered {
        Entered
    }
}

#[cfg(all(test, not(feature = "tracing")))]
mod tests {
    use super::*;

    #[test]
    fn without_the_feature_tasks_carry_nothing_for_it() {
        let nothing = [
            size_of::<Parent>(),
            size_of::<spans::Entered>(),
            usize::from(std::mem::needs_drop::<spans::Entered>()),
        ];
        assert_eq!(nothing, [0; 3]);
        assert!(!crate::record::is_traced());
    }
}
