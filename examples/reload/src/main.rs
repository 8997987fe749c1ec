//! A daemon that reads its configuration again at SIGHUP, and prints how often it did at
//! SIGUSR1.
//!
//! ```text
//! $ echo hello > greeting
//! $ cargo run -p reload -- greeting &
//! greeting: hello
//! hello
//! hello
//! $ echo goodbye > greeting; pkill -HUP reload
//! greeting: goodbye
//! goodbye
//! $ rm greeting; pkill -HUP reload
//! greeting: No such file or directory (os error 2); goodbye stays
//! goodbye
//! $ pkill -USR1 reload
//! 4 greetings, read 2 times
//! $ pkill reload
//! signal received (SIGTERM), stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! ```
//!
//! A configuration that is missing or empty is an error at the start. A daemon that runs
//! keeps the one it has.

#[cfg(unix)]
mod daemon {
    use groundcrew::channel::select;
    use groundcrew::host::ServiceResult;
    use groundcrew::signals::{self, Signal, SignalReceiver};
    use groundcrew::{Host, HostReport, ServiceContext};
    use std::error::Error;
    use std::io::{self, Write};
    use std::path::{Path, PathBuf};
    use std::time::Duration;
    use std::{env, fs};

    pub(crate) fn run() -> Result<HostReport, Box<dyn Error + Send + Sync>> {
        env_logger::init();
        let mut arguments = env::args_os().skip(1);
        let file = PathBuf::from(arguments.next().ok_or("give the file with the greeting")?);
        let every = match arguments.next() {
            Some(millis) => millis.to_string_lossy().parse()?,
            None => 1_000,
        };
        // First thing of all: until then these two end the process.
        let (hangup, usr1) = (
            signals::receiver(Signal::Hup)?,
            signals::receiver(Signal::Usr1)?,
        );
        let mut host = Host::builder();
        host.background("greeter", move |ctx| {
            greet(ctx, &file, Duration::from_millis(every), &hangup, &usr1)
        });
        Ok(host
            .build()?
            .run_until_any_of([Signal::Int, Signal::Term])?)
    }

    fn greet(
        ctx: &ServiceContext,
        file: &Path,
        every: Duration,
        hangup: &SignalReceiver,
        usr1: &SignalReceiver,
    ) -> ServiceResult {
        let mut greeting = read(file)?;
        let (mut greetings, mut times) = (0, 1);
        writeln!(io::stdout(), "greeting: {greeting}")?;
        let stopped = ctx.token().receiver();
        loop {
            select! {
                recv(stopped) -> _ => return Ok(()),
                recv(hangup) -> _ => match read(file) {
                    Ok(new) => {
                        greeting = new;
                        times += 1;
                        writeln!(io::stdout(), "greeting: {greeting}")?;
                    }
                    Err(error) => writeln!(io::stdout(), "greeting: {error}; {greeting} stays")?,
                },
                recv(usr1) -> _ => {
                    writeln!(io::stdout(), "{greetings} greetings, read {times} times")?;
                }
                default(every) => {
                    greetings += 1;
                    writeln!(io::stdout(), "{greeting}")?;
                }
            }
        }
    }

    fn read(file: &Path) -> io::Result<String> {
        let text = fs::read_to_string(file)?;
        match text.trim() {
            "" => Err(io::Error::other("the file is empty")),
            greeting => Ok(greeting.to_owned()),
        }
    }
}

#[cfg(unix)]
fn main() -> Result<groundcrew::HostReport, Box<dyn std::error::Error + Send + Sync>> {
    daemon::run()
}

#[cfg(not(unix))]
fn main() {}
