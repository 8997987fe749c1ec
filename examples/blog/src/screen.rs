//! The terminal: what is printed, and the table below it.

use crate::program;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Write};

/// A clone is the same one.
#[derive(Clone)]
pub(crate) struct Screen {
    table: ProgressBar,
}

impl Screen {
    /// Draws on stderr, if that is a terminal.
    pub(crate) fn new() -> Screen {
        let table = ProgressBar::new_spinner();
        table.set_style(ProgressStyle::with_template("{msg}").expect("it is well-formed"));
        Screen { table }
    }

    pub(crate) fn has_table(&self) -> bool {
        !self.table.is_hidden()
    }

    pub(crate) fn draw(&self, table: &str) {
        self.table.set_message(visible(table));
        self.table.tick();
    }

    /// A line was typed: the cursor, which was at the end of a full line, goes back there.
    pub(crate) fn take_line(&self) {
        if self.has_table() {
            let _ = write!(io::stderr(), "\x1b[2A");
        }
    }

    /// Prints above the table.
    pub(crate) fn print(&self, text: &str) {
        self.table.suspend(|| {
            // If it is not read, the blog goes on.
            let _ = writeln!(io::stdout(), "{}", visible(text));
        });
    }

    /// The end: who still prints above the table has had the time of the stop.
    pub(crate) fn clear(&self) {
        let table = self.table.clone();
        let _ = program::finish(
            || true,
            move || {
                table.finish_and_clear();
                Ok(())
            },
        );
    }
}

/// What is in posts may be anything, and a terminal does what it is told.
pub(crate) fn visible(text: &str) -> String {
    let visible = |letter: char| match letter.is_control() && letter != '\n' {
        true => char::REPLACEMENT_CHARACTER,
        false => letter,
    };
    text.chars().map(visible).collect()
}
