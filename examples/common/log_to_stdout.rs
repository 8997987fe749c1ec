//! Log records as lines on stdout. When their reader has gone, as in `program | head -1`, the host
//! is stopped.

use env_logger::{Builder, Env, Target};
use groundcrew::host::HostHandle;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

static HOST: OnceLock<HostHandle> = OnceLock::new();

/// Prints records of this level and above, unless `RUST_LOG` says otherwise.
pub(crate) fn init(level: &str) {
    Builder::from_env(Env::default().default_filter_or(level))
        .format(|line, record| writeln!(line, "{}", record.args()))
        .target(Target::Pipe(Box::new(Stdout)))
        .init();
}

/// Stops this host at the first record that cannot be written.
pub(crate) fn stop_when_unread(host: HostHandle) {
    let _ = HOST.set(host);
}

struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = io::stdout().write(bytes);
        let has_gone = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
        if let (Err(true), Some(host)) = (written.as_ref().map_err(has_gone), HOST.get()) {
            host.request_stop("nobody reads the output");
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}
