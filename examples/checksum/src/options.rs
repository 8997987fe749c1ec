//! The command line.

use lexopt::prelude::*;
use std::error::Error;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Print the SHA-256 of every regular file below the paths, as sha256sum does.

Usage: checksum [OPTIONS] [PATHS]...

Arguments:
  [PATHS]...  Files and folders; `-` is not special [default: .]

Options:
      --threads <COUNT>         How many files are read at once [default: one for each CPU]
      --queue <COUNT>           How many files wait to be read, at most [default: 1024]
      --stop-timeout <SECONDS>  How long it takes to stop after Ctrl-C, at most [default: 5]
  -h, --help                    Print help

Exit codes:
    0  every file has its line
    1  a file has none, or the output cannot be written; stderr says why
    2  the command line is wrong
  130  interrupted: what is printed holds, the stop report is on stderr
  141  the reader of stdout has gone, as in `checksum | head`: what SIGPIPE makes of `sha256sum`
";

/// What the command line asks for.
pub(crate) enum Command {
    Help,
    Sum(Options),
}

pub(crate) struct Options {
    pub(crate) paths: Vec<OsString>,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) queue: NonZeroUsize,
    pub(crate) stop_timeout: Duration,
}

impl Command {
    /// Parses the arguments of this process.
    pub(crate) fn parse() -> Result<Command, lexopt::Error> {
        let mut options = Options {
            paths: Vec::new(),
            threads: None,
            queue: const { NonZeroUsize::new(1024).unwrap() },
            stop_timeout: Duration::from_secs(5),
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("threads") => options.threads = Some(arguments.value()?.parse()?),
                Long("queue") => options.queue = arguments.value()?.parse()?,
                Long("stop-timeout") => {
                    options.stop_timeout = arguments.value()?.parse_with(seconds)?;
                }
                Short('h') | Long("help") => return Ok(Command::Help),
                Value(path) => options.paths.push(path),
                other => return Err(other.unexpected()),
            }
        }
        if options.paths.is_empty() {
            options.paths.push(".".into());
        }
        Ok(Command::Sum(options))
    }
}

fn seconds(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}
