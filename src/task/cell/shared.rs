//! A task with a handle, as the pool sees it.

use super::state::State;
use super::{Body, NotStarted, Off, TaskCell, Tombstone};
use crate::cancel::CancelToken;
use crate::retry::GiveUpReason;
use crate::sync::{Arc, Relaxed};
use crate::task::body::{self, Attempt, Ledger, Next, TaskControl, TaskFn};
use crate::task::context::TaskContext;
use crate::task::current_worker::CurrentWorker;
use crate::task::error::TaskPanic;
use crate::task::info::{Meta, TaskInfo};
use crate::task::link::Link;
use crate::task::queued::{Shared, TakenOut};
use crate::task::running::Settled;
use crate::task::slot_guard::{How, SlotGuard};
use crate::unwind;
use std::mem;
use std::time::{Duration, Instant};

impl<B: TaskFn<Output: Send>, L: Link> Shared for TaskCell<B, L> {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn attempts(&self) -> u32 {
        self.body.lock().attempts
    }

    fn run(
        self: Arc<Self>,
        shell: Arc<dyn Shared>,
        turn: &mut SlotGuard<'_>,
        me: &CurrentWorker,
        how: How,
    ) -> bool {
        let how = match how {
            How::Claimed if B::RETRIES && me.ledger.take_due(self.meta.origin.id) => How::Fetched,
            how => how,
        };
        let closure = match self.start(me, how) {
            Ok(closure) => closure,
            // A tombstone that leaves the queue is counted at the latest now, so
            // that a report never misses one.
            Err(NotStarted::Tombstone(tombstone)) => {
                if matches!(how, How::Popped | How::Fetched) {
                    turn.skip_tombstone(tombstone);
                }
                // There may be a million of them: others want to look, too.
                turn.unlocked(|| drop((self, shell)));
                return false;
            }
            Err(NotStarted::Expired(closure)) => {
                turn.pass_expired(|| {
                    unwind::drop_guarded(closure, || self.meta.closure());
                    self.change(|body| body.state = State::CalledOff(Off::Expired));
                    self.link.ended();
                });
                return false;
            }
        };
        let context = B::WANTS_CONTEXT.then(|| me.lend_context(self.meta.origin.id));
        let Meta {
            origin,
            type_name,
            name,
        } = &self.meta;
        let since = turn.stamp(me, how);
        let place = turn.begin(how, *origin, *type_name, since, B::HAS_TOKEN);
        if name.is_some() {
            place.meta.name.clone_from(name);
        }
        if me.is_observed {
            place.queued_at = self.queued_at();
        }
        place.cell = Some(shell);
        let info = || TaskInfo::new(&self.meta, self.attempts());
        let attempt = || body::attempt(closure, context.as_deref(), &me.ledger, info);
        let attempted = turn.unlocked(attempt);
        if let Some(context) = context {
            me.take_back(context);
        }
        let result = match attempted {
            Ok(Attempt::Ended(result)) => Ok(result),
            Ok(Attempt::Failed(closure, next)) => match self.put_off(closure, next, turn, me) {
                Some(result) => result,
                None => return true,
            },
            Err(panic) => Err(panic),
        };
        let panicked = result.is_err();
        let settle = |settled| {
            self.change(|body| {
                body.watch = None;
                match settled {
                    Some(Settled::Abandoned) if !L::SCOPED => {
                        body.state = State::Abandoned;
                        Some(result)
                    }
                    _ => body.finish(result),
                }
            })
        };
        turn.end(me, panicked, settle, |leftover| {
            self.dispose(Some(leftover));
        });
        self.link.ended();
        true
    }

    fn run_unstarted(self: Arc<Self>) {
        // Of a scoped task the pool's token still means something.
        let wants_watch = B::WANTS_CONTEXT || B::RETRIES;
        let watch = wants_watch.then(|| match L::SCOPED {
            true => {
                let ledger = self.body.lock().ledger.clone();
                ledger.watch(self.meta.origin.id)
            }
            false => TaskControl::new(CancelToken::new()),
        });
        let started = self.change(|body| {
            let may_run = matches!(body.state, State::Unstarted | State::Withdrawn);
            let closure = may_run.then(|| body.start()).flatten()?;
            body.watch.clone_from(&watch);
            Some((closure, body.ledger.clone()))
        });
        let Some((mut closure, ledger)) = started else {
            return;
        };
        let info = || TaskInfo::new(&self.meta, self.attempts());
        let result = loop {
            let watch = watch.clone();
            let context = watch.map(|watch| TaskContext::unstarted(info(), ledger.clone(), watch));
            match body::attempt(closure, context.as_ref(), &ledger, info) {
                Ok(Attempt::Ended(result)) => break Ok(result),
                Err(panic) => break Err(panic),
                Ok(Attempt::Failed(failed, next)) => {
                    let waited = next.and_then(|next| match &context {
                        Some(context) => {
                            let slept = context.sleep(next.after);
                            slept.map_or(Err(GiveUpReason::Cancelled), |()| Ok(next))
                        }
                        None => unreachable!("what retries has a context"),
                    });
                    closure = failed;
                    match waited {
                        Ok(Next { was_none: true, .. }) => closure.uncount(),
                        Ok(_) => self.body.lock().attempts += 1,
                        Err(gave_up) => break body::give_up(closure, gave_up, &ledger, info),
                    }
                }
            }
        };
        let leftover = self.change(|body| {
            body.watch = None;
            body.finish(result)
        });
        self.dispose(leftover);
        self.link.ended();
    }

    fn take_out(&self) -> TakenOut {
        self.change(|body| {
            if body.state.may_start() || body.state == State::Waiting {
                if L::SCOPED {
                    // To its handle nothing has come to an end.
                    body.state = State::Withdrawn;
                    return TakenOut::Withdrawn;
                }
                body.state = State::Unstarted;
                body.taken_out += 1;
                return TakenOut::Live;
            }
            // No wait outlives the stop, not even for a slow drop.
            if let State::CallingOff(off) = body.state {
                body.state = State::CalledOff(off);
            }
            TakenOut::Tombstone(body.tombstone())
        })
    }

    fn requeue(&self) -> bool {
        let mut body = self.body.lock();
        let waits = body.state == State::Waiting;
        if waits {
            body.state = State::Queued;
        }
        drop(body);
        // A worker that joins it may claim it now.
        self.changed.notify_all();
        waits
    }

    fn is_waiting(&self) -> bool {
        self.body.lock().state == State::Waiting
    }

    fn give_back(&self, shell: Arc<dyn Shared>) {
        self.change(|body| {
            if body.state == State::Queued {
                body.state = State::Withdrawn;
            }
        });
        self.link.given_back(shell);
    }

    fn abandon(&self) {
        self.change(|body| {
            if body.state == State::Running && !L::SCOPED {
                body.state = State::Abandoned;
            }
        });
    }

    fn discard(&self) {
        let closure = self.body.lock().closure.take();
        unwind::drop_guarded(closure, || self.meta.closure());
    }

    fn has_started(&self) -> bool {
        !matches!(self.body.lock().state, State::Queued | State::Withdrawn)
    }

    fn tombstone(&self) -> Option<Tombstone> {
        let mut body = self.body.lock();
        let may_start = body.state.may_start() || body.state == State::Withdrawn;
        (!may_start).then(|| body.tombstone())
    }

    fn cancel_asked(&self) -> Option<Instant> {
        self.body.lock().cancel_asked
    }

    fn watch(&self) -> Option<Arc<TaskControl>> {
        self.body.lock().watch.clone()
    }

    fn watch_or(&self, new: Arc<TaskControl>) -> Arc<TaskControl> {
        let mut body = self.body.lock();
        let watch = body.watch.get_or_insert(new).clone();
        let is_cancelled = body.cancel_asked.is_some();
        drop(body);
        // Requested before the task checked its token for the first time.
        if is_cancelled {
            watch.token.cancel();
        }
        watch
    }

    fn prepare_resubmit(&self, ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        self.change(|body| self.belongs_to(body, ledger, State::Resubmitting))
    }

    fn resubmitted(&self) {
        self.change(|body| {
            if body.state == State::Resubmitting {
                body.state = State::Queued;
            }
        });
    }

    fn resubmit_refused(&self, ledger: Arc<dyn Ledger>) {
        let refused_by = self.change(|body| self.belongs_to(body, ledger, State::Unstarted));
        drop(refused_by);
    }
}

impl<B: TaskFn<Output: Send>, L: Link> TaskCell<B, L> {
    /// An attempt failed, and another one follows: RUNNING -> WAITING. Otherwise returns
    /// what the task gives up with.
    fn put_off(
        &self,
        mut closure: B,
        next: Result<Next, GiveUpReason>,
        turn: &mut SlotGuard<'_>,
        me: &CurrentWorker,
    ) -> Option<Result<B::Output, TaskPanic>> {
        // One that was cut short did not fail for good, unless its error says so. The pool is
        // closed, then: it does not wait, but is unstarted.
        let is_cut_short = me.ledger.is_cancelled() && next != Err(GiveUpReason::Verdict);
        turn.unlocked(|| me.ledger.prepare_to_wait());
        let wait = |shell: Arc<dyn Shared>, settled: Option<Settled>| {
            let mut body = self.body.lock();
            let stopped = settled.map(|_| GiveUpReason::Stopped);
            let asked = stopped.or(body.cancel_asked.map(|_| GiveUpReason::Cancelled));
            let after = match (next, asked) {
                (Ok(next), None) => next.after,
                (Err(_), None) if is_cut_short => Duration::MAX,
                (Err(gave_up), _) | (Ok(_), Some(gave_up)) => return Err((closure, gave_up)),
            };
            if is_cut_short || next.is_ok_and(|next| next.was_none) {
                closure.uncount();
                body.attempts -= 1;
            }
            body.state = State::Waiting;
            body.closure = Some(closure);
            body.watch = None;
            drop(body);
            me.ledger.wait_to_retry(shell, after);
            Ok(())
        };
        let (closure, gave_up) = turn.put_off(me, wait).err()?;
        let info = || TaskInfo::new(&self.meta, self.attempts());
        Some(turn.unlocked(|| body::give_up(closure, gave_up, &me.ledger, info)))
    }

    /// From now on the task is that pool's. Returns the one before.
    fn belongs_to(
        &self,
        body: &mut Body<B>,
        ledger: Arc<dyn Ledger>,
        state: State,
    ) -> Arc<dyn Ledger> {
        self.pool.store(ledger.pool(), Relaxed);
        body.state = state;
        mem::replace(&mut body.ledger, ledger)
    }
}
