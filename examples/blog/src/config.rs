//! The configuration: `blog.json` in the folder of the posts, if there is one.

use groundcrew::Schedule;
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

#[derive(Debug, PartialEq)]
pub(crate) struct Config {
    /// As cron says it, and in which time zone.
    newsletter: String,
    zone: String,
    pub(crate) links_every: Duration,
    pub(crate) cache_every: Duration,
    pub(crate) readers: Vec<String>,
    /// Whether everything may be read anew at the start, if it is asked for.
    pub(crate) may_reindex: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            newsletter: "0 17 * * *".to_owned(),
            zone: "Europe/London".to_owned(),
            links_every: Duration::from_secs(180),
            cache_every: Duration::from_secs(300),
            readers: ["ada", "alan", "grace"]
                .map(|name| format!("{name}@example.com"))
                .into(),
            may_reindex: true,
        }
    }
}

impl Config {
    pub(crate) fn read(folder: &Path) -> Result<Config, String> {
        let path = folder.join("blog.json");
        let about = |what: String| format!("{}: {what}", path.display());
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Config::default()),
            text => text.map_err(|error| about(error.to_string()))?,
        };
        Config::parse(&text).map_err(about)
    }

    fn parse(text: &str) -> Result<Config, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let object = value
            .as_object()
            .ok_or("write { \"reindex\": false }, say")?;
        let mut config = Config::default();
        for (key, value) in object {
            let is_set = match key.as_str() {
                "newsletter" => set(&mut config.newsletter, value.as_str().map(str::to_owned)),
                "zone" => set(&mut config.zone, value.as_str().map(str::to_owned)),
                "links_every_seconds" => set(&mut config.links_every, seconds(value)),
                "cache_every_seconds" => set(&mut config.cache_every, seconds(value)),
                "readers" => set(&mut config.readers, texts(value)),
                "reindex" => set(&mut config.may_reindex, value.as_bool()),
                _ => {
                    return Err(format!(
                        "there is no {key:?}; there are newsletter, zone, links_every_seconds, \
                     cache_every_seconds, readers and reindex"
                    ));
                }
            };
            if !is_set {
                return Err(format!("{key:?} cannot be {value}"));
            }
        }
        config
            .newsletter()
            .check()
            .map_err(|error| error.to_string())?;
        Ok(config)
    }

    pub(crate) fn newsletter(&self) -> Schedule {
        Schedule::cron(&self.newsletter).in_tz(&self.zone)
    }
}

fn set<T>(place: &mut T, value: Option<T>) -> bool {
    let is_set = value.is_some();
    if let Some(value) = value {
        *place = value;
    }
    is_set
}

fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_u64().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let texts = value
        .as_array()?
        .iter()
        .map(|text| Some(text.as_str()?.to_owned()));
    texts.collect()
}
