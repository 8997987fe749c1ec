//! The index: in which posts a word is.

use crate::post::{Post, words};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

/// Cut in parts by word, so that many threads can add posts.
pub(crate) struct Index {
    hasher: RandomState,
    parts: Vec<Mutex<Part>>,
    posts: RwLock<Posts>,
}

/// The words of a part: in which posts, and how often.
type Part = HashMap<Box<str>, Vec<(u32, u32)>>;

/// By the numbers that the parts know them by.
#[derive(Default)]
struct Posts {
    by_number: Vec<Option<Arc<Post>>>,
    numbers: HashMap<PathBuf, u32>,
}

const PARTS: usize = 64;

pub(crate) struct Hit {
    pub(crate) score: f64,
    pub(crate) post: Arc<Post>,
}

impl Index {
    pub(crate) fn new() -> Index {
        Index {
            hasher: RandomState::new(),
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            posts: RwLock::default(),
        }
    }

    fn part_of(&self, word: &str) -> usize {
        // Its remainder can be no larger than the number of parts.
        (self.hasher.hash_one(word) % PARTS as u64) as usize
    }

    /// Adds a post that is not in it.
    pub(crate) fn add(&self, post: Arc<Post>) {
        let number = {
            let mut posts = self.posts.write().unwrap();
            let number = u32::try_from(posts.by_number.len()).expect("fewer than 4 billion posts");
            posts.by_number.push(Some(post.clone()));
            posts.numbers.insert(post.path.clone(), number);
            number
        };
        let mut by_part = vec![Vec::new(); PARTS];
        for (word, count) in &post.terms {
            by_part[self.part_of(word)].push((word, *count));
        }
        // Not all begin with the same part, or they would wait for each other at every one.
        let (before, from_here) = by_part.split_at_mut(number as usize % PARTS);
        let parts = from_here.iter_mut().chain(before);
        let first = number as usize % PARTS;
        for (part, words) in parts.enumerate() {
            let mut part = self.parts[(first + part) % PARTS].lock().unwrap();
            for (word, count) in words.drain(..) {
                match part.get_mut(word) {
                    Some(places) => places.push((number, count)),
                    None => drop(part.insert(word.clone(), vec![(number, count)])),
                }
            }
        }
    }

    /// Removes the post that was there, if one was.
    pub(crate) fn remove(&self, path: &PathBuf) {
        let mut posts = self.posts.write().unwrap();
        let Some(number) = posts.numbers.remove(path) else {
            return;
        };
        let post = posts.by_number[number as usize].take();
        drop(posts);
        for word in post.iter().flat_map(|post| post.terms.keys()) {
            let mut part = self.parts[self.part_of(word)].lock().unwrap();
            if let Some(places) = part.get_mut(word) {
                places.retain(|(other, _)| *other != number);
                if places.is_empty() {
                    part.remove(word);
                }
            }
        }
    }

    /// The posts with any of the words, the best first: by tf-idf, as in Manning, Raghavan
    /// and Schütze, "Introduction to Information Retrieval", section 6.4.1.
    pub(crate) fn search(&self, query: &str, most: usize) -> Vec<Hit> {
        let posts = self.posts.read().unwrap();
        let all = posts.numbers.len() as f64;
        let mut scores: HashMap<u32, f64> = HashMap::new();
        for word in words(query) {
            let part = self.parts[self.part_of(&word)].lock().unwrap();
            let places = part.get(word.as_str()).map_or(&[][..], Vec::as_slice);
            let rarity = (1.0 + all / places.len() as f64).ln();
            for (number, count) in places {
                *scores.entry(*number).or_default() += (1.0 + f64::from(*count).ln()) * rarity;
            }
        }
        let hits = scores.into_iter().filter_map(|(number, score)| {
            let post = posts.by_number[number as usize].clone()?;
            Some(Hit { score, post })
        });
        let mut hits: Vec<Hit> = hits.collect();
        let order = |hit: &Hit, other: &Hit| {
            let by_score = other.score.total_cmp(&hit.score);
            by_score.then_with(|| hit.post.path.cmp(&other.post.path))
        };
        hits.sort_by(order);
        hits.truncate(most);
        hits
    }

    /// How many posts, and how many different words.
    pub(crate) fn size(&self) -> (usize, usize) {
        let words = self.parts.iter().map(|part| part.lock().unwrap().len());
        (self.posts.read().unwrap().numbers.len(), words.sum())
    }
}
