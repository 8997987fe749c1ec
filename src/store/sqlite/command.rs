//! What callers ask the writer for.

use super::errors::Failure;
use super::tx::Tx;
use crate::store::StoreError;
use crate::sync::channel::{self, Receiver, Sender};

/// Something to do in a transaction of the writer, perhaps together with others, perhaps more than
/// once until a transaction commits.
pub(super) trait Command: Send {
    /// The size of its payloads, in bytes.
    fn weight(&self) -> usize;

    /// Runs in the transaction. [`Ran::Refused`] has changed nothing that is not to be undone.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<Ran, rusqlite::Error>;

    /// Answers the caller: with what the last run gave, or with an error.
    fn answer(self: Box<Self>, end: Result<(), StoreError>);
}

/// How a command ran.
pub(super) enum Ran {
    Done,
    /// It may not be done, and what it has changed is to be undone.
    Refused,
}

/// A command made of a closure, which gives a `T`.
struct Call<T, F> {
    weight: usize,
    body: F,
    result: Option<Result<T, StoreError>>,
    reply: Sender<Result<T, StoreError>>,
}

/// Makes a command, and the receiver of its answer.
pub(super) fn command<T, F>(
    weight: usize,
    body: F,
) -> (Box<dyn Command>, Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnMut(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
{
    let (reply, answer) = channel::bounded(1);
    let call = Call {
        weight,
        body,
        result: None,
        reply,
    };
    (Box::new(call), answer)
}

impl<T, F> Command for Call<T, F>
where
    T: Send + 'static,
    F: FnMut(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
{
    fn weight(&self) -> usize {
        self.weight
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Result<Ran, rusqlite::Error> {
        let (result, ran) = match (self.body)(tx) {
            Ok(value) => (Ok(value), Ran::Done),
            Err(Failure::Refused(error)) => (Err(error), Ran::Refused),
            Err(Failure::Sqlite(error)) => return Err(error),
        };
        self.result = Some(result);
        Ok(ran)
    }

    fn answer(self: Box<Self>, end: Result<(), StoreError>) {
        let result = match (end, self.result) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => unreachable!("a command is answered after it ran"),
        };
        // The caller waits for it.
        let _ = self.reply.send(result);
    }
}
