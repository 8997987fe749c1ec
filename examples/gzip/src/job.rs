//! From the input to the output: the thread that may hang.

use crate::blocks::{Blocks, Member};
use crate::check::{self, Checked};
use crate::failure::Failure;
use crate::output::SharedWriter;
use groundcrew::{CancelToken, Submitter};
use indicatif::{HumanBytes, ProgressBar};
use log::debug;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) struct Job {
    pub(crate) level: u32,
    /// How large a block is, in bytes.
    pub(crate) block: usize,
    /// The names of the input and of what is written, if that is to be checked.
    pub(crate) check: Option<(PathBuf, PathBuf)>,
    pub(crate) bar: ProgressBar,
}

impl Job {
    pub(crate) fn run(
        self,
        input: impl Read + Send + 'static,
        output: &SharedWriter,
        pool: &Submitter,
        in_flight: usize,
        token: &CancelToken,
    ) -> Result<Done, Failure> {
        let compressed = self.compress(input, output, pool, in_flight);
        self.bar.finish_and_clear();
        let mut done = compressed?;
        if let Some((input, output)) = &self.check {
            done.checked = Some(check::check(input, output, self.block, self.level, token)?);
        }
        Ok(done)
    }

    fn compress(
        &self,
        input: impl Read + Send + 'static,
        output: &SharedWriter,
        pool: &Submitter,
        in_flight: usize,
    ) -> Result<Done, Failure> {
        let started = Instant::now();
        let level = self.level;
        let mut done = Done::default();
        // An error of the input takes its turn like a block.
        let members = pool
            .stream(Blocks::new(input, self.block), move |block| {
                block.and_then(|block| Member::new(&block, level))
            })
            .in_flight(in_flight);
        for (number, member) in members.enumerate() {
            // No more than this one is written when the pool was stopped.
            let member = member
                .map_err(|failed| Failure::Task(failed.into()))?
                .map_err(Failure::Read)?;
            output.write(&member.bytes).map_err(Failure::Write)?;
            debug!("member {number} is written");
            done.read += member.length as u64;
            done.written += member.bytes.len() as u64;
            self.bar.inc(member.length as u64);
        }
        done.took = started.elapsed();
        Ok(done)
    }
}

/// What was done.
#[derive(Default)]
pub(crate) struct Done {
    read: u64,
    written: u64,
    took: Duration,
    checked: Option<Checked>,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let (read, written) = (HumanBytes(self.read), HumanBytes(self.written));
        write!(f, "{read} to {written} in {seconds:.2} s")?;
        if let Some(checked) = &self.checked {
            let alone = checked.alone.as_secs_f64();
            let times = alone / seconds;
            write!(
                f,
                "; checked, {times:.2} times as fast as one thread, {alone:.2} s"
            )?;
        }
        Ok(())
    }
}
