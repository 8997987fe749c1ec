//! Values of rows that something else than this crate may have written.
//!
//! Each column has its type, but a number may be of any size, and a text of any bytes. They are read
//! as the nearest that there is: one odd row does not keep the others from being read.

use rusqlite::Row;

/// What is no UTF-8 has replacement characters.
pub(super) fn text(row: &Row<'_>, index: usize) -> rusqlite::Result<String> {
    Ok(optional_text(row, index)?.unwrap_or_default())
}

pub(super) fn optional_text(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<String>> {
    let bytes = row.get_ref(index)?.as_bytes_or_null()?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

pub(super) fn count(row: &Row<'_>, index: usize) -> rusqlite::Result<u32> {
    Ok(nearest_count(row.get(index)?))
}

pub(super) fn optional_count(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<u32>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(nearest_count))
}

fn nearest_count(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

pub(super) fn priority(row: &Row<'_>, index: usize) -> rusqlite::Result<i32> {
    let number: i64 = row.get(index)?;
    let nearest = number.clamp(i32::MIN.into(), i32::MAX.into());
    Ok(i32::try_from(nearest).unwrap_or_default())
}

/// For the `LIMIT` of a query.
pub(super) fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
