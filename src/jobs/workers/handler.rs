//! The program's handlers, without their types.

use super::super::context::JobContext;
use super::super::job::{Job, JobResult};
use crate::causes::BoxError;
use crate::sync::Arc;
use crate::unwind::Guarded;
use serde::de::DeserializeOwned;

/// What the handler of a job may return: `()`, or [`JobResult`].
///
/// This trait is sealed: it cannot be implemented outside of this crate.
#[diagnostic::on_unimplemented(
    message = "the handler of a job returns `()` or `Result<(), BoxError>`, not `{Self}`",
    note = "a function that returns another error is called as `Ok(function()?)`"
)]
pub trait HandlerOutput: IntoJobResult {}

impl<T: IntoJobResult> HandlerOutput for T {}

/// Seals [`HandlerOutput`].
pub trait IntoJobResult {
    fn into_job_result(self) -> JobResult;
}

impl IntoJobResult for () {
    fn into_job_result(self) -> JobResult {
        Ok(())
    }
}

// The only one for a `Result`: so the compiler knows the error of a closure that ends with `Ok(())`.
impl IntoJobResult for Result<(), BoxError> {
    fn into_job_result(self) -> JobResult {
        self
    }
}

/// The handler of one kind, of one thread. It decodes the payload itself.
pub(super) type Handler = Box<dyn FnMut(&[u8], &JobContext) -> JobResult>;
/// Makes the handler of a thread.
pub(super) type MakeHandler = Arc<dyn Fn() -> JobResult<Handler> + Send + Sync>;
/// What a closure around the handlers is given to call.
pub(super) type Run<'a> = Box<dyn FnOnce() -> JobResult + 'a>;
pub(super) type Around = Arc<dyn Fn(&JobContext, Run<'_>) -> JobResult + Send + Sync>;

/// One handler for all threads.
pub(super) fn shared<J, F, R>(handler: F) -> MakeHandler
where
    J: Job + DeserializeOwned + 'static,
    F: Fn(J, &JobContext) -> R + Send + Sync + 'static,
    R: IntoJobResult + 'static,
{
    let handler = Arc::new(Guarded::new(handler, "the handler of a job"));
    Arc::new(move || {
        let handler = handler.clone();
        Ok(Box::new(move |payload: &[u8], ctx: &JobContext| {
            (**handler)(decode::<J>(payload, ctx.kind())?, ctx).into_job_result()
        }))
    })
}

/// A handler for each thread.
pub(super) fn for_each_thread<J, F, H, R>(factory: F) -> MakeHandler
where
    J: Job + DeserializeOwned + 'static,
    F: Fn() -> JobResult<H> + Send + Sync + 'static,
    H: FnMut(J, &JobContext) -> R + 'static,
    R: IntoJobResult + 'static,
{
    let factory = Guarded::new(factory, "the factory of a job's handlers");
    Arc::new(move || {
        let mut handler = Guarded::new((*factory)()?, "the handler of a job");
        Ok(Box::new(move |payload: &[u8], ctx: &JobContext| {
            (*handler)(decode::<J>(payload, ctx.kind())?, ctx).into_job_result()
        }))
    })
}

/// Decodes again, to find the field, only if that failed.
fn decode<J: DeserializeOwned>(payload: &[u8], kind: &str) -> JobResult<J> {
    serde_json::from_slice(payload).map_err(|_| undecodable::<J>(payload, kind).into())
}

fn undecodable<J: DeserializeOwned>(payload: &[u8], kind: &str) -> String {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let (place, problem) = match serde_path_to_error::deserialize::<_, J>(&mut json) {
        Err(error) => (error.path().to_string(), error.into_inner().to_string()),
        Ok(_) => (
            ".".to_owned(),
            "there is something behind its end".to_owned(),
        ),
    };
    match place.as_str() {
        "." => format!("the payload of kind {kind:?} cannot be decoded: {problem}"),
        field => format!("the payload of kind {kind:?} cannot be decoded: {field}: {problem}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Order {
        #[expect(dead_code)]
        lines: Vec<Line>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Line {
        #[expect(dead_code)]
        count: u32,
    }

    fn error(payload: &str) -> String {
        decode::<Order>(payload.as_bytes(), "order")
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_cannot_be_decoded_names_the_kind_and_the_field() {
        let begin = "the payload of kind \"order\" cannot be decoded: ";
        for (payload, rest) in [
            (
                r#"{"lines":[{"count":1},{"count":"x"}]}"#,
                "lines[1].count: invalid type: string \"x\", expected u32 at line 1 column 34",
            ),
            (r#"{}"#, "missing field `lines` at line 1 column 2"),
            (
                r#"{"lines":[{}]}"#,
                "lines[0]: missing field `count` at line 1 column 12",
            ),
            ("", "EOF while parsing a value at line 1 column 0"),
            (r#"{"lines":[]} x"#, "there is something behind its end"),
        ] {
            assert_eq!(error(payload), format!("{begin}{rest}"));
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic() {
        let deep = "[".repeat(100_000);
        assert!(error(&format!("{{\"lines\":{deep}")).contains("cannot be decoded"));
        let any = decode::<serde_json::Value>(deep.as_bytes(), "any");
        assert!(any.unwrap_err().to_string().contains("recursion limit"));
        assert!(decode::<Order>(b"\xff\x00{", "order").is_err());
        assert!(decode::<Order>(&[0; 64], "order").is_err());
    }
}
