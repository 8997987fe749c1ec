//! An event: a line of JSON, in a file, in the spool and among the dead letters.

use crate::outbox::Item;
use serde_json::{Value, json};
use std::fmt;
use std::str;

#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// There is no other like it, in this run or another.
    pub(crate) id: String,
    pub(crate) visitor: u64,
    /// As the browser has sent it: whatever comes from outside may be anything.
    pub(crate) page: Vec<u8>,
}

impl Event {
    /// What is wrong with it, if anything is: its page has to be text.
    pub(crate) fn check(&self) -> Result<(), str::Utf8Error> {
        str::from_utf8(&self.page).map(drop)
    }

    /// A page that is no text goes in as bytes.
    pub(crate) fn json(&self) -> Value {
        let page = match str::from_utf8(&self.page) {
            Ok(text) => json!(text),
            Err(_) => json!(self.page),
        };
        json!({ "id": self.id, "visitor": self.visitor, "page": page })
    }
}

impl Item for Event {
    fn id(&self) -> &str {
        &self.id
    }

    fn to_line(&self) -> String {
        self.json().to_string()
    }

    fn from_line(line: &str) -> Option<Event> {
        let value: Value = serde_json::from_str(line).ok()?;
        let page = match &value["page"] {
            Value::String(text) => text.clone().into_bytes(),
            Value::Array(bytes) => {
                let bytes = bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok());
                bytes.collect::<Option<_>>()?
            }
            _ => return None,
        };
        Some(Event {
            id: value["id"].as_str()?.to_owned(),
            visitor: value["visitor"].as_u64()?,
            page,
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.json().fmt(f)
    }
}
