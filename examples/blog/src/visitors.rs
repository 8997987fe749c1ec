//! Visitors: they stand for the world outside.

use crate::blog::Blog;
use groundcrew::ServiceContext;
use groundcrew::host::ServiceResult;
use std::time::Duration;

/// Each looks at a page; one in five writes a comment, of which a reader is told.
pub(crate) fn visit(blog: &Blog, pause: Duration, ctx: &ServiceContext) -> ServiceResult {
    let mut count = 0_u64;
    while !ctx.is_cancelled() {
        if let Some(post) = blog.archive.any() {
            let page = post.path.display();
            let cache = match blog.cache.lock().unwrap().contains_key(&post.path) {
                true => "cached",
                false => "not cached",
            };
            let what = format!("view of {page}, {cache}");
            blog.events.tell(what, ctx.token());
            if fastrand::u8(..5) == 0 {
                let subject = format!("a comment on {}", post.title);
                let reader = fastrand::choice(blog.readers.iter()).map_or("", String::as_str);
                blog.emails.write(reader, &subject, ctx.token());
            }
            count += 1;
            ctx.note(format!("{count} so far"));
        }
        ctx.sleep(pause)?;
    }
    Ok(())
}
