//! An email: a line, in the spool, on its way and in the inbox.

use crate::outbox::Item;
use std::fmt;

#[derive(Clone, Debug)]
pub(crate) struct Email {
    id: String,
    text: String,
}

impl Email {
    pub(crate) fn write(id: String) -> Email {
        let text = format!("Dear reader {}, we have news.", fastrand::u16(..));
        Email { id, text }
    }
}

impl Item for Email {
    fn id(&self) -> &str {
        &self.id
    }

    fn to_line(&self) -> String {
        self.to_string()
    }

    fn from_line(line: &str) -> Option<Email> {
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
