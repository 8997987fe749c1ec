//! What changes below a folder, until Ctrl-C.
//!
//! ```text
//! $ cargo run -p watch -- posts
//! watching posts: 2 added, 0 changed, 0 removed
//! + posts/first.md
//! + posts/second.md
//! ~ posts/second.md
//! + posts/third.md
//! - posts/first.md
//! - posts/second.md
//! - posts/third.md
//! + posts/x.md
//! ^C
//! signal received, stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! ```
//!
//! Here one file was written, then another one renamed; then the folder was removed, and made
//! again with a new file. Changes are printed when nothing has happened for a moment. `--help`
//! lists the exit codes.

#[path = "../../common/program.rs"]
mod program;

use clap::Parser;
use groundcrew::host::ServiceResult;
use groundcrew::watch::{FileChanges, FolderWatch};
use groundcrew::{Host, ServiceContext};
use program::print_or_stop;
use std::path::PathBuf;
use std::process::{ExitCode, Termination};

const EXIT_CODES: &str = "\
Exit codes:
    0  it was stopped, or the reader of stdout has gone
    1  the folder cannot be watched; stderr says why
    2  the command line is wrong
   75  it did not end in time; the report says so
  130  the third Ctrl-C";

/// Print what changes below a folder, until Ctrl-C.
#[derive(Parser)]
#[command(name = "watch", after_help = EXIT_CODES)]
struct Options {
    /// The folder to watch; it may be missing
    folder: PathBuf,
}

fn main() -> ExitCode {
    env_logger::init();
    program::run(|| run(Options::parse()))
}

fn run(Options { folder }: Options) -> program::Result<ExitCode> {
    let mut host = Host::builder();
    host.add(
        "folder",
        FolderWatch::new(&folder).on_change(move |changes, ctx| {
            if changes.is_initial() {
                print_or_stop(ctx, format!("watching {}: {changes}", folder.display()))?;
            }
            print(changes, ctx)
        }),
    );
    Ok(host.build()?.run_until_signal()?.report())
}

fn print(changes: &FileChanges, ctx: &ServiceContext) -> ServiceResult {
    let signs = [
        ("+", changes.added()),
        ("~", changes.changed()),
        ("-", changes.removed()),
    ];
    for (sign, paths) in signs {
        for path in paths {
            ctx.token().check()?; // there may be many
            print_or_stop(ctx, format!("{sign} {}", path.display()))?;
        }
    }
    Ok(())
}
