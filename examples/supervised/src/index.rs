//! The service that fails.

use clap::ValueEnum;
use groundcrew::host::ServiceResult;
use groundcrew::retry::PermanentError;
use groundcrew::{Service, ServiceContext};
use log::info;
use std::io::{Error, ErrorKind};
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Fail {
    /// `start` returns an error
    Start,
    /// `start` panics
    StartPanic,
    /// `start` takes longer than it may, and then heeds the stop
    StartHang,
    /// `run` returns an error
    Run,
    /// `run` returns an error that no restart helps against
    Permanent,
    /// `run` panics
    Panic,
    /// `run` returns, although its stop was not requested
    Return,
    /// `run` says no longer that it lives, and heeds the stop
    Heartbeat,
    /// `run` goes on and on, whatever it is told
    Hang,
    /// `run` neither says that it lives nor heeds the stop
    Stuck,
    /// `stop` returns an error
    Stop,
}

pub(crate) struct Index {
    pub(crate) fail: Option<Fail>,
}

impl Service for Index {
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        match self.fail {
            Some(Fail::Start) => Err("no such table")?,
            Some(Fail::StartPanic) => panic!("no such column"),
            Some(Fail::StartHang) => wait_for_the_stop(ctx),
            _ => Ok(()),
        }
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        ctx.note("indexing");
        ctx.sleep(A_WHILE)?;
        info!("index: has run for a while");
        match self.fail {
            Some(Fail::Run) => Err(Error::from(ErrorKind::StorageFull))?,
            Some(Fail::Permanent) => Err(PermanentError::new("the index is of another version"))?,
            Some(Fail::Panic) => panic!("no such row"),
            Some(Fail::Return) => Ok(()),
            Some(Fail::Heartbeat) => wait_for_the_stop(ctx),
            Some(Fail::Stuck) => loop {
                thread::park();
            },
            Some(Fail::Hang) => loop {
                ctx.heartbeat();
                thread::sleep(A_WHILE);
            },
            _ => loop {
                ctx.heartbeat();
                ctx.sleep(A_WHILE)?;
            },
        }
    }

    fn stop(&mut self, _: &ServiceContext) -> ServiceResult {
        match self.fail {
            Some(Fail::Stop) => Err("cannot rename the index")?,
            _ => Ok(()),
        }
    }
}

pub(crate) fn wait_for_the_stop(ctx: &ServiceContext) -> ServiceResult {
    ctx.token().wait();
    Ok(())
}

const A_WHILE: Duration = Duration::from_millis(100);
