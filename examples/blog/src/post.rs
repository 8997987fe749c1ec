//! A post: what is known of a file of markdown.

use percent_encoding::percent_decode_str;
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Post {
    pub(crate) path: PathBuf,
    pub(crate) stamp: Stamp,
    pub(crate) title: String,
    /// How often each word is in it.
    pub(crate) terms: HashMap<Box<str>, u32>,
    /// Where its links and pictures lead to, as they are written.
    pub(crate) links: Vec<String>,
}

/// By this one sees whether a file is another one now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stamp {
    /// Nanoseconds since 1970.
    pub(crate) modified: u64,
    pub(crate) length: u64,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> io::Result<Stamp> {
        let metadata = fs::metadata(path)?;
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Stamp {
            modified: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            length: metadata.len(),
        })
    }
}

impl Post {
    pub(crate) fn read(path: &Path) -> io::Result<Post> {
        let stamp = Stamp::of(path)?; // before the text: a change between is seen later
        let bytes = fs::read(path)?;
        Ok(Post::parse(path, stamp, &String::from_utf8_lossy(&bytes)))
    }

    pub(crate) fn parse(path: &Path, stamp: Stamp, text: &str) -> Post {
        let mut post = Post {
            path: path.to_owned(),
            stamp,
            title: String::new(),
            terms: HashMap::new(),
            links: Vec::new(),
        };
        let mut in_title = false;
        for event in Parser::new_ext(text, Options::all()) {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    in_title = level == HeadingLevel::H1 && post.title.is_empty();
                }
                Event::End(TagEnd::Heading(_)) => in_title = false,
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    post.links.push(dest_url.into_string());
                }
                Event::Text(text) | Event::Code(text) => {
                    if in_title {
                        post.title.push_str(&text);
                    }
                    post.count(&text);
                }
                _ => {}
            }
        }
        if post.title.is_empty() {
            let name = path.file_stem().unwrap_or(path.as_os_str());
            post.title = name.to_string_lossy().into_owned();
        }
        post
    }

    fn count(&mut self, text: &CowStr<'_>) {
        for word in words(text) {
            match self.terms.get_mut(word.as_str()) {
                Some(count) => *count += 1,
                None => drop(self.terms.insert(word.into(), 1)),
            }
        }
    }

    /// The links to other files, as paths.
    pub(crate) fn local_links(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        self.links.iter().filter_map(move |link| {
            let file = link.split(['#', '?']).next()?;
            let has_scheme = file.split('/').next()?.contains(':'); // as in mailto:
            let is_local = !file.is_empty() && !file.starts_with('/') && !has_scheme;
            let file = percent_decode_str(file).decode_utf8_lossy();
            is_local.then(|| (link.as_str(), folder.join(&*file)))
        })
    }

    /// The page that visitors see.
    pub(crate) fn page(&self) -> io::Result<String> {
        let bytes = fs::read(&self.path)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut page = String::new();
        html::push_html(&mut page, Parser::new_ext(&text, Options::all()));
        Ok(page)
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "path": self.path.to_str(),
            "modified": self.stamp.modified,
            "length": self.stamp.length,
            "title": self.title,
            "terms": self.terms,
            "links": self.links,
        })
    }

    /// `None` if it is none of a post.
    pub(crate) fn from_json(value: &Value) -> Option<Post> {
        let terms = value["terms"].as_object()?.iter();
        let count = |(term, count): (&String, &Value)| {
            Some((term.as_str().into(), u32::try_from(count.as_u64()?).ok()?))
        };
        let links = value["links"].as_array()?.iter();
        Some(Post {
            path: value["path"].as_str()?.into(),
            stamp: Stamp {
                modified: value["modified"].as_u64()?,
                length: value["length"].as_u64()?,
            },
            title: value["title"].as_str()?.to_owned(),
            terms: terms.map(count).collect::<Option<_>>()?,
            links: links
                .map(|link| Some(link.as_str()?.to_owned()))
                .collect::<Option<_>>()?,
        })
    }
}

/// In small letters; a single letter is none.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.len() > 1)
        .map(str::to_lowercase)
}
