//! The pools: two workers each.

pub(crate) const WORKERS: usize = 2;

pub(crate) fn groundcrew() -> groundcrew::Pool {
    groundcrew::Pool::new(WORKERS).unwrap()
}

pub(crate) fn rayon() -> rayon::ThreadPool {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(WORKERS);
    builder.build().unwrap()
}
