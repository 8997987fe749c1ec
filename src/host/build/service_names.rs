//! How a program names several services.

/// The names of services, as [`ServiceBuilder::after`](super::ServiceBuilder::after) takes them:
/// one name, or an array, a slice, a [`Vec`] or an [`Option`] of names. A name is a `&str`, a
/// [`String`], or something else that has the text of one.
///
/// # Examples
///
/// ```
/// # let mut host = groundcrew::Host::builder();
/// # for name in ["db", "cache", "mail"] {
/// #     host.background(name, |ctx| ctx.wait());
/// # }
/// let sinks = vec!["db".to_owned(), "mail".to_owned()];
/// host.background("web", |ctx| ctx.wait()).after("db");
/// host.background("search", |ctx| ctx.wait()).after(["db", "cache"]);
/// host.background("import", |ctx| ctx.wait()).after(&sinks);
/// # host.build()?;
/// # Ok::<(), groundcrew::host::HostBuildError>(())
/// ```
///
/// This trait is sealed: it cannot be implemented outside of this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name services",
    note = "write one name, `.after(\"db\")`, or several, `.after([\"db\", \"cache\"])`"
)]
pub trait ServiceNames: IntoNames {}

impl<T: IntoNames> ServiceNames for T {}

/// Seals [`ServiceNames`].
pub trait IntoNames {
    fn into_names(self) -> Vec<String>;
}

impl IntoNames for &str {
    fn into_names(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl IntoNames for String {
    fn into_names(self) -> Vec<String> {
        vec![self]
    }
}

impl IntoNames for &String {
    fn into_names(self) -> Vec<String> {
        vec![self.clone()]
    }
}

impl<N: AsRef<str>> IntoNames for &[N] {
    fn into_names(self) -> Vec<String> {
        self.iter().map(|name| name.as_ref().to_owned()).collect()
    }
}

impl<N: AsRef<str>, const COUNT: usize> IntoNames for [N; COUNT] {
    fn into_names(self) -> Vec<String> {
        self.as_slice().into_names()
    }
}

impl<N: AsRef<str>, const COUNT: usize> IntoNames for &[N; COUNT] {
    fn into_names(self) -> Vec<String> {
        self.as_slice().into_names()
    }
}

impl<N: AsRef<str>> IntoNames for Vec<N> {
    fn into_names(self) -> Vec<String> {
        self.as_slice().into_names()
    }
}

impl<N: AsRef<str>> IntoNames for &Vec<N> {
    fn into_names(self) -> Vec<String> {
        self.as_slice().into_names()
    }
}

impl<N: AsRef<str>> IntoNames for Option<N> {
    fn into_names(self) -> Vec<String> {
        self.as_slice().into_names()
    }
}
