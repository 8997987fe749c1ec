//! An email: a line, in the spool, on its way and in the inbox.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email {
    id: String,
    text: String,
}

impl Email {
    /// Of its id there is no other, in this run or another.
    pub(crate) fn write() -> Email {
        let id = format!("{:016x}", fastrand::u64(..));
        let text = format!("Dear reader {}, we have news.", fastrand::u16(..));
        Email { id, text }
    }

    /// Of a line; `None` if it is none of an email.
    pub(crate) fn parse(line: &str) -> Option<Email> {
        let (id, text) = line.split_once(' ')?;
        Some(Email {
            id: id.to_owned(),
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.text)
    }
}
