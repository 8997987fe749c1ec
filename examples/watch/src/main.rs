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
//! again with a new file. It is told when nothing has happened for a moment.

use groundcrew::host::ServiceResult;
use groundcrew::watch::{FileChanges, FolderWatch};
use groundcrew::{Host, HostReport, ServiceContext};
use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

fn main() -> Result<HostReport, Box<dyn Error + Send + Sync>> {
    env_logger::init();
    let folder = env::args_os()
        .nth(1)
        .ok_or("give the folder to be watched")?;
    let folder = PathBuf::from(folder);
    let mut host = Host::builder();
    host.add(
        "folder",
        FolderWatch::new(&folder).on_change(move |changes, ctx| {
            if changes.is_initial() {
                writeln!(io::stdout(), "watching {}: {changes}", folder.display())?;
            }
            print(changes, ctx)
        }),
    );
    Ok(host.build()?.run_until_signal()?)
}

fn print(changes: &FileChanges, ctx: &ServiceContext) -> ServiceResult {
    let signs = [
        ("+", changes.added()),
        ("~", changes.changed()),
        ("-", changes.removed()),
    ];
    let mut out = io::stdout().lock();
    for (sign, paths) in signs {
        for path in paths {
            writeln!(out, "{sign} {}", path.display())?;
            ctx.token().check()?; // there may be many
        }
    }
    Ok(())
}
