//! A service that tells what changes below a folder.

#[path = "../../common/mod.rs"]
mod common;

use common::{LONG, within};
use groundcrew::Host;
use groundcrew::channel::{Receiver, unbounded};
use groundcrew::host::RunningHost;
use groundcrew::watch::{FileChanges, FolderWatch};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
#[cfg(target_os = "linux")]
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const MILLI: Duration = Duration::from_millis(1);

/// A folder in a folder, so that it can be moved away.
struct Place {
    parent: TempDir,
    folder: PathBuf,
}

impl Place {
    fn new() -> Place {
        let parent = TempDir::new().unwrap();
        let folder = parent.path().join("posts");
        fs::create_dir(&folder).unwrap();
        Place { parent, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// All at once, however busy the machine is.
    fn write(&self, name: &str, text: &str) {
        let new = self.parent.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    /// Into the file that is there, by one call.
    fn overwrite(&self, name: &str, text: &str) {
        let mut file = File::options().write(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn watch(&self) -> FolderWatch {
        FolderWatch::new(&self.folder).debounce(10 * MILLI)
    }
}

fn started(watch: FolderWatch) -> (RunningHost, Receiver<FileChanges>) {
    let (tell, told) = unbounded();
    let mut host = Host::builder();
    host.add(
        "posts",
        watch.on_change(move |changes, _| Ok(tell.send(changes.clone())?)),
    );
    (host.build().unwrap().start().unwrap(), told)
}

fn next(told: &Receiver<FileChanges>) -> FileChanges {
    told.recv_timeout(LONG).unwrap()
}

/// What is there by what was told.
#[derive(Default)]
struct Mirror(BTreeMap<PathBuf, u32>);

impl Mirror {
    fn apply(&mut self, changes: &FileChanges) {
        assert_eq!(
            changes.len(),
            changes.present().count() + changes.removed().len()
        );
        for path in changes.added() {
            assert_eq!(
                self.0.insert(path.clone(), 0),
                None,
                "added twice: {path:?}"
            );
        }
        for path in changes.changed() {
            *self
                .0
                .get_mut(path)
                .unwrap_or_else(|| panic!("unknown: {path:?}")) += 1;
        }
        for path in changes.removed() {
            assert!(self.0.remove(path).is_some(), "removed twice: {path:?}");
        }
    }

    /// Applies what is told until so many are there.
    fn wait_for(&mut self, told: &Receiver<FileChanges>, count: usize) {
        within(LONG, "so many files", || {
            while self.0.len() != count {
                self.apply(&next(told));
            }
        });
    }

    /// Applies what is told until these are there, and no others; returns the last of it.
    fn wait_for_these(&mut self, told: &Receiver<FileChanges>, files: &[PathBuf]) -> FileChanges {
        let files: BTreeSet<&PathBuf> = files.iter().collect();
        within(LONG, "these files", || {
            loop {
                let changes = next(told);
                self.apply(&changes);
                if self.0.keys().eq(files.iter().copied()) {
                    return changes;
                }
            }
        })
    }
}

#[test]
fn the_first_look_is_over_before_those_after_it_start() {
    let place = Place::new();
    place.write("a.md", "a");
    fs::create_dir(place.path("deep")).unwrap();
    place.write("deep/b.md", "b");
    place.write("c.txt", "c");
    let (tell, told) = unbounded();
    let of_search = tell.clone();
    let mut host = Host::builder();
    let only = place
        .watch()
        .only(|path| path.extension().is_some_and(|it| it == "md"));
    host.add(
        "posts",
        only.on_change(move |changes, _| {
            thread::sleep(20 * MILLI);
            Ok(tell.send(Some(changes.clone()))?)
        }),
    );
    host.startup_task("search", move |_| Ok(of_search.send(None)?))
        .after(["posts"]);
    let host = host.build().unwrap().start().unwrap();
    let first = told.recv().unwrap().expect("the first look comes first");
    assert!(first.is_initial());
    assert_eq!(first.added(), [place.path("a.md"), place.path("deep/b.md")]);
    assert_eq!(told.recv().unwrap(), None);
    place.write("d.txt", "d");
    place.write("e.md", "e");
    let next = told.recv_timeout(LONG).unwrap().unwrap();
    assert_eq!(
        (next.added(), next.is_initial()),
        (&[place.path("e.md")][..], false)
    );
    assert!(host.stop().is_clean());
}

#[test]
fn an_empty_folder_is_reported_once_and_then_what_comes_changes_and_goes() {
    let place = Place::new();
    let (host, told) = started(place.watch());
    let first = next(&told);
    assert!(first.is_initial() && first.is_empty());

    place.write("a.md", "one");
    assert_eq!(next(&told).added(), [place.path("a.md")]);
    // As long as before, and perhaps in the same tick of the file system's clock.
    place.overwrite("a.md", "two");
    assert_eq!(next(&told).changed(), [place.path("a.md")]);
    fs::rename(place.path("a.md"), place.path("b.md")).unwrap();
    let moved = next(&told);
    assert_eq!(
        (moved.added(), moved.removed()),
        (&[place.path("b.md")][..], &[place.path("a.md")][..])
    );
    fs::remove_file(place.path("b.md")).unwrap();
    assert_eq!(next(&told).removed(), [place.path("b.md")]);
    assert!(host.stop().is_clean());
    assert!(told.is_empty());
}

#[test]
fn an_editor_that_writes_in_steps_is_reported_once() {
    let place = Place::new();
    place.write("a.md", "old");
    let watch = FolderWatch::new(&place.folder).debounce(3000 * MILLI);
    let (host, told) = started(watch.max_delay(LONG));
    assert_eq!(next(&told).len(), 1);
    for step in 0..5 {
        place.write("a.md~", &format!("step {step}"));
        thread::sleep(5 * MILLI);
    }
    fs::rename(place.path("a.md~"), place.path("a.md")).unwrap();
    let changes = next(&told);
    assert_eq!(changes.changed(), [place.path("a.md")]);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(host.stop().is_clean());
}

#[test]
fn under_continuous_activity_changes_are_reported_all_the_same() {
    let place = Place::new();
    let (host, told) = started(
        FolderWatch::new(&place.folder)
            .debounce(LONG)
            .max_delay(30 * MILLI),
    );
    next(&told);
    within(LONG, "a folder that is never quiet", || {
        for number in 0.. {
            place.write(&format!("{}.md", number % 10), &number.to_string());
            if let Ok(changes) = told.recv_timeout(MILLI) {
                assert!(!changes.is_empty());
                break;
            }
        }
    });
    assert!(host.stop().is_clean());
}

#[test]
fn new_folders_are_watched_and_what_came_with_them_is_found() {
    let place = Place::new();
    let (host, told) = started(place.watch());
    let mut mirror = Mirror::default();
    next(&told);
    for number in 0..20 {
        let deep = format!("{number}/x/y");
        fs::create_dir_all(place.path(&deep)).unwrap();
        place.write(&format!("{deep}/a.md"), "a");
        mirror.wait_for(&told, 2 * number + 1);
        place.write(&format!("{deep}/b.md"), "b");
        mirror.wait_for(&told, 2 * number + 2);
    }
    // A whole tree comes, and goes, at once.
    let other = Place::new();
    fs::create_dir_all(other.path("p/q")).unwrap();
    other.write("p/q/z.md", "z");
    fs::rename(other.path("p"), place.path("p")).unwrap();
    mirror.wait_for(&told, 41);
    place.write("p/q/y.md", "y");
    mirror.wait_for(&told, 42);
    fs::rename(place.path("p"), other.path("p")).unwrap();
    mirror.wait_for(&told, 40);
    fs::remove_dir_all(place.path("7")).unwrap();
    mirror.wait_for(&told, 38);
    assert!(host.stop().is_clean());
}

#[test]
fn the_folder_may_be_removed_or_moved_away_and_come_back() {
    let place = Place::new();
    place.write("a.md", "a");
    let (host, told) = started(place.watch());
    let mut mirror = Mirror::default();
    mirror.wait_for(&told, 1);
    for round in 0..3 {
        fs::remove_dir_all(&place.folder).unwrap();
        mirror.wait_for(&told, 0);
        fs::create_dir(&place.folder).unwrap();
        place.write("b.md", &format!("b {round}"));
        mirror.wait_for(&told, 1);
        place.write("c.md", "c");
        mirror.wait_for(&told, 2);

        let away = place.parent.path().join(format!("away {round}"));
        fs::rename(&place.folder, &away).unwrap();
        mirror.wait_for(&told, 0);
        fs::rename(&away, &place.folder).unwrap();
        mirror.wait_for(&told, 2);
        place.write("d.md", "d");
        mirror.wait_for(&told, 3);
    }
    let report = host.stop();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.services()[0].restarts(), 0);
}

#[test]
fn removed_and_made_again_before_anybody_looked_it_is_watched_again() {
    let place = Place::new();
    let (host, told) = started(place.watch().rescan_every(Duration::MAX));
    let mut mirror = Mirror::default();
    next(&told);
    for round in 0..20 {
        fs::remove_dir_all(&place.folder).unwrap();
        fs::create_dir(&place.folder).unwrap(); // with the same number, probably
        let name = format!("{round}.md");
        place.write(&name, "a");
        within(LONG, "the new file", || {
            while mirror.0.len() != 1 || !mirror.0.contains_key(&place.path(&name)) {
                mirror.apply(&next(&told));
            }
        });
        place.write("another.md", "b");
        mirror.wait_for(&told, 2);
    }
    assert!(host.stop().is_clean());
}

#[test]
fn of_a_flood_no_change_is_lost_and_none_is_reported_twice() {
    const FILES: usize = 10_000;
    let place = Place::new();
    let (host, told) = started(place.watch());
    let mut mirror = Mirror::default();
    next(&told);
    for number in 0..FILES {
        if number % 1000 == 0 {
            fs::create_dir(place.path(&format!("{}", number / 1000))).unwrap();
        }
        let name = format!("{}/{number}.md", number / 1000);
        fs::write(place.path(&name), "some words").unwrap();
    }
    mirror.wait_for(&told, FILES);
    fs::remove_dir_all(&place.folder).unwrap();
    mirror.wait_for(&told, 0);
    assert!(host.stop().is_clean());
}

#[test]
fn told_to_stop_it_ends_at_once_whatever_happens_in_the_folder() {
    let place = Place::new();
    for quiet in [true, false] {
        let (host, told) = started(
            FolderWatch::new(&place.folder)
                .debounce(LONG)
                .max_delay(LONG),
        );
        next(&told);
        if !quiet {
            place.write("a.md", "a"); // it waits until nothing happens any more
        }
        let before = Instant::now();
        assert!(host.stop().is_clean());
        assert!(before.elapsed() < LONG / 2);
    }
    // Also while the folder is gone.
    let (host, _told) = started(place.watch());
    fs::remove_dir_all(&place.folder).unwrap();
    assert!(host.stop().is_clean());
}

#[test]
fn a_folder_that_is_not_there_is_an_error_of_the_start_that_names_it() {
    let place = Place::new();
    place.write("file", "");
    for (path, why) in [("nowhere", "No such file"), ("file", "it is a file")] {
        let mut host = Host::builder();
        host.add(
            "posts",
            FolderWatch::new(place.path(path)).on_change(|_, _| Ok(())),
        );
        let error = host.build().unwrap().start().unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(path), "{error}");
    }
}

#[test]
fn after_an_error_and_a_restart_everything_is_reported_again() {
    use groundcrew::host::Restart;
    let place = Place::new();
    place.write("a.md", "a");
    let (tell, told) = unbounded();
    let mut host = Host::builder();
    host.add(
        "posts",
        place.watch().on_change(move |changes, _| {
            tell.send(changes.clone())?;
            match changes.present().any(|path| path.ends_with("bad.md")) && !changes.is_initial() {
                true => Err("cannot be read".into()),
                false => Ok(()),
            }
        }),
    )
    .on_failure(Restart::new().backoff(groundcrew::retry::Backoff::fixed(MILLI)));
    let host = host.build().unwrap().start().unwrap();
    assert_eq!(next(&told).len(), 1);
    place.write("bad.md", "bad");
    assert_eq!(next(&told).added(), [place.path("bad.md")]);
    let again = next(&told);
    assert!(again.is_initial());
    assert_eq!(again.added(), [place.path("a.md"), place.path("bad.md")]);
    let _ = host.stop();
}

#[test]
fn what_the_system_does_not_report_is_found_by_a_rescan() {
    let place = Place::new();
    let (host, told) = started(place.watch().rescan_every(20 * MILLI));
    next(&told);
    let mut mirror = Mirror::default();
    for number in 0..10 {
        place.write(&format!("{number}.md"), "x");
        mirror.wait_for(&told, number + 1);
    }
    assert!(host.stop().is_clean());
}

#[test]
#[cfg(unix)]
fn links_in_circles_and_to_nowhere_do_no_harm() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    place.write("a.md", "a");
    symlink(&place.folder, place.path("circle")).unwrap();
    symlink("nowhere", place.path("broken.md")).unwrap();
    symlink("a.md", place.path("b.md")).unwrap();
    let (host, told) = started(place.watch());
    assert_eq!(
        next(&told).added(),
        [place.path("a.md"), place.path("b.md")]
    );
    assert!(host.stop().is_clean());
}

#[test]
#[cfg(unix)]
fn a_link_that_leads_elsewhere_is_noticed_to_the_folder_itself_and_in_it() {
    use std::os::unix::fs::symlink;
    // As Kubernetes brings configurations: each file is reached by way of one link.
    let place = Place::new();
    let swap = |version: &str| {
        fs::create_dir(place.path(version)).unwrap();
        place.write(&format!("{version}/config"), version);
        symlink(version, place.path("new")).unwrap();
        fs::rename(place.path("new"), place.path("data")).unwrap();
    };
    swap("v1");
    symlink("data/config", place.path("config")).unwrap();
    let link = place.parent.path().join("link");
    symlink(&place.folder, &link).unwrap();
    let only_config = |path: &Path| path.parent().is_some_and(|it| it.ends_with("link"));
    let (host, told) = started(
        FolderWatch::new(&link)
            .debounce(10 * MILLI)
            .only(only_config),
    );
    assert_eq!(next(&told).added(), [link.join("config")]);
    swap("v2");
    assert_eq!(next(&told).changed(), [link.join("config")]);

    let other = Place::new();
    other.write("another", "x");
    symlink(&other.folder, place.parent.path().join("new link")).unwrap();
    fs::rename(place.parent.path().join("new link"), &link).unwrap();
    let changes = next(&told);
    assert_eq!(changes.added(), [link.join("another")]);
    assert_eq!(changes.removed(), [link.join("config")]);
    assert!(host.stop().is_clean());
}

#[test]
fn a_relative_path_is_reported_as_it_was_given() {
    // A folder that is there, below the one that tests run in.
    let folder = TempDir::new_in("tests").unwrap();
    let name = folder.path().file_name().unwrap();
    let relative = Path::new("tests").join(name);
    let (host, told) = started(FolderWatch::new(&relative).debounce(10 * MILLI));
    next(&told);
    fs::write(relative.join("a.md"), "a").unwrap();
    assert_eq!(next(&told).added(), [relative.join("a.md")]);
    assert!(host.stop().is_clean());
}

#[test]
fn a_path_with_dots_and_slashes_is_the_folder_that_it_leads_to() {
    let place = Place::new();
    place.write("first.md", "1");
    for detour in ["posts/", "./posts", "posts/../posts", "posts/."] {
        let folder = place.parent.path().join(detour);
        let (host, told) = started(FolderWatch::new(&folder).debounce(10 * MILLI));
        let first = next(&told);
        assert_eq!(first.added(), [folder.join("first.md")], "{detour}");
        place.write("second.md", "2");
        assert_eq!(next(&told).added(), [folder.join("second.md")], "{detour}");
        fs::remove_file(place.path("second.md")).unwrap();
        assert_eq!(
            next(&told).removed(),
            [folder.join("second.md")],
            "{detour}"
        );
        assert!(host.stop().is_clean());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_are_reported_like_others() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let place = Place::new();
    let path = place.folder.join(OsStr::from_bytes(b"h\xfcte.md")); // Latin-1
    fs::write(&path, "1").unwrap();
    let (host, told) = started(place.watch());
    assert_eq!(next(&told).added(), [path.as_path()]);
    fs::remove_file(&path).unwrap();
    assert_eq!(next(&told).removed(), [path.as_path()]);
    assert!(host.stop().is_clean());
}

#[cfg(unix)]
#[test]
fn a_link_to_a_folder_below_is_no_other_name_for_what_is_in_there() {
    let place = Place::new();
    fs::create_dir_all(place.path("z/real")).unwrap();
    for link in ["alias", "z/zz"] {
        std::os::unix::fs::symlink(place.path("z/real"), place.path(link)).unwrap();
    }
    let (host, told) = started(place.watch());
    assert!(next(&told).is_empty());
    place.write("z/real/a.md", "1");
    assert_eq!(next(&told).added(), [place.path("z/real/a.md")]);
    for link in ["alias", "z/zz"] {
        fs::remove_file(place.path(link)).unwrap();
        place.write("z/real/b.md", "1");
        assert_eq!(next(&told).added(), [place.path("z/real/b.md")]);
        fs::remove_file(place.path("z/real/b.md")).unwrap();
        assert_eq!(next(&told).removed(), [place.path("z/real/b.md")]);
    }
    assert!(host.stop().is_clean());
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_reported() {
    let place = Place::new();
    let fifo = place.path("fifo.md");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let (host, told) = started(place.watch());
    assert!(next(&told).is_empty());
    place.write("a.md", "1");
    assert_eq!(next(&told).added(), [place.path("a.md")]);

    // Nor is the folder itself, if it is none any more.
    fs::remove_dir_all(&place.folder).unwrap();
    fs::write(&place.folder, "a file").unwrap();
    let gone = next(&told);
    assert_eq!((gone.removed(), gone.len()), (&[place.path("a.md")][..], 1));
    fs::remove_file(&place.folder).unwrap();
    fs::create_dir(&place.folder).unwrap();
    place.write("b.md", "1");
    assert_eq!(next(&told).added(), [place.path("b.md")]);
    assert!(host.stop().is_clean());
}

#[cfg(unix)]
#[test]
fn another_folder_above_is_noticed() {
    let parent = TempDir::new().unwrap();
    let path = |name: &str| parent.path().join(name);
    for name in ["v1", "v2"] {
        fs::create_dir_all(path(name).join("posts")).unwrap();
        fs::write(path(name).join(format!("posts/{name}.md")), name).unwrap();
    }
    std::os::unix::fs::symlink("v1", path("current")).unwrap();
    let folder = path("current/posts");
    let (host, told) = started(FolderWatch::new(&folder).debounce(10 * MILLI));
    assert_eq!(next(&told).added(), [folder.join("v1.md")]);
    std::os::unix::fs::symlink("v2", path("next")).unwrap();
    fs::rename(path("next"), path("current")).unwrap();
    let changes = next(&told);
    assert_eq!(changes.added(), [folder.join("v2.md")]);
    assert_eq!(changes.removed(), [folder.join("v1.md")]);
    fs::write(folder.join("new.md"), "new").unwrap();
    assert_eq!(next(&told).added(), [folder.join("new.md")]);
    assert!(host.stop().is_clean());
}

/// Runs the test of this name once more, in a process of its own, by way of `command`; returns
/// whether this is that process. It has to end well.
#[cfg(unix)]
fn is_alone(test: &str, command: &[&str]) -> bool {
    use std::process::Command;
    if std::env::var_os("GROUNDCREW_ALONE").is_some() {
        return true;
    }
    let this = std::env::current_exe().unwrap();
    let mut all = command
        .iter()
        .map(std::ffi::OsStr::new)
        .chain([this.as_os_str()]);
    let output = Command::new(all.next().unwrap())
        .args(all)
        .args(["--exact", test, "--nocapture"])
        .env("GROUNDCREW_ALONE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{error}");
    assert!(said.contains("1 passed"), "{said}{error}");
    false
}

#[cfg(unix)]
fn runs(command: &[&str]) -> bool {
    let mut process = std::process::Command::new(command[0]);
    let output = process.args(&command[1..]).output();
    output.is_ok_and(|output| output.status.success())
}

#[cfg(unix)]
#[test]
fn a_relative_path_stays_the_same_folder_when_the_current_folder_is_another_one() {
    let test = "a_relative_path_stays_the_same_folder_when_the_current_folder_is_another_one";
    if !is_alone(test, &[]) {
        return;
    }
    let place = Place::new();
    place.write("a.md", "a");
    place.write("other.txt", "x");
    std::env::set_current_dir(place.parent.path()).unwrap();
    let only = |path: &Path| path.starts_with("posts") && path.extension().unwrap() == "md";
    let early = FolderWatch::new("posts").debounce(10 * MILLI).only(only);
    let (host, told) = started(early.clone());
    assert_eq!(next(&told).added(), [Path::new("posts/a.md")]);
    std::env::set_current_dir("/").unwrap();
    place.write("b.md", "b");
    let changes = next(&told);
    assert_eq!(changes.added(), [Path::new("posts/b.md")]);
    assert_eq!(changes.len(), 1, "{changes:?}");
    fs::remove_dir_all(&place.folder).unwrap();
    let removed = [Path::new("posts/a.md"), Path::new("posts/b.md")];
    let mut gone = Vec::new();
    within(LONG, "both files to go", || {
        while gone.len() < 2 {
            gone.extend(next(&told).removed().to_owned());
        }
    });
    gone.sort();
    assert_eq!(gone, removed);
    assert!(host.stop().is_clean());

    // It was resolved when it was given, not when it is started.
    fs::create_dir(&place.folder).unwrap();
    place.write("c.md", "c");
    let (host, told) = started(early);
    assert_eq!(next(&told).added(), [Path::new("posts/c.md")]);
    assert!(host.stop().is_clean());
}

#[cfg(target_os = "linux")]
#[test]
fn what_changes_in_what_was_mounted_over_a_subfolder_is_reported_at_once_and_when_it_is_gone() {
    let test =
        "what_changes_in_what_was_mounted_over_a_subfolder_is_reported_at_once_and_when_it_is_gone";
    let may_mount: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "-r", "--mount"]];
    let Some(way) = may_mount
        .into_iter()
        .find(|way| runs(&[way, &["true"][..]].concat()))
    else {
        eprintln!("SKIPPED: unshare cannot be had, so nothing is mounted");
        return;
    };
    if !is_alone(test, way) {
        return;
    }
    let place = Place::new();
    fs::create_dir_all(place.path("deep/er")).unwrap();
    place.write("deep/hidden.md", "x");
    let (host, told) = started(place.watch().rescan_every(Duration::MAX));
    let mut mirror = Mirror::default();
    let hidden = place.path("deep/hidden.md");
    mirror.wait_for_these(&told, std::slice::from_ref(&hidden));

    let deep = place.path("deep");
    let deep = deep.to_str().unwrap();
    assert!(runs(&["mount", "-t", "tmpfs", "none", deep]));
    mirror.wait_for_these(&told, &[]);
    let mut files = Vec::new();
    for name in ["a", "b", "c"] {
        let path = place.path("deep").join(name);
        fs::write(&path, name).unwrap();
        files.push(path);
        mirror.wait_for_these(&told, &files);
    }
    assert!(runs(&["umount", deep]));
    mirror.wait_for_these(&told, std::slice::from_ref(&hidden));
    place.write("deep/er/d.md", "d");
    mirror.wait_for_these(&told, &[hidden, place.path("deep/er/d.md")]);
    assert!(host.stop().is_clean());
}

/// What is logged in a process that one test has to itself.
#[cfg(target_os = "linux")]
struct Log(Mutex<Vec<String>>);

#[cfg(target_os = "linux")]
impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("groundcrew") {
            self.0.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[cfg(target_os = "linux")]
static LOG: Log = Log(Mutex::new(Vec::new()));

/// Whether this is a process of its own (`is_alone`), in which permissions count and `LOG`
/// listens.
#[cfg(target_os = "linux")]
fn is_alone_and_no_root(test: &str) -> bool {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o0)).unwrap();
    let reads_everything = fs::read_dir(folder.path()).is_ok();
    // As root, but without the right to read everything.
    let way = [
        "setpriv",
        "--bounding-set",
        "-dac_override,-dac_read_search",
    ];
    let is_alone = match reads_everything {
        false => is_alone(test, &[]),
        true if runs(&[&way[..], &["true"]].concat()) => is_alone(test, &way),
        true => {
            eprintln!("SKIPPED: root reads everything, and there is no setpriv");
            false
        }
    };
    if is_alone {
        assert!(!reads_everything, "without that right, too");
        log::set_logger(&LOG).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
    }
    is_alone
}

#[cfg(target_os = "linux")]
fn forbid(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o0)).unwrap();
}

#[cfg(target_os = "linux")]
fn allow(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_subfolder_that_may_not_be_read_is_left_out_and_named_and_nothing_is_polled() {
    let test = "a_subfolder_that_may_not_be_read_is_left_out_and_named_and_nothing_is_polled";
    if !is_alone_and_no_root(test) {
        return;
    }
    let place = Place::new();
    for name in ["a", "lost+found", "z/deep"] {
        fs::create_dir_all(place.path(name)).unwrap();
    }
    place.write("lost+found/in.md", "x");
    forbid(&place.path("lost+found"));
    let (host, told) = started(place.watch().rescan_every(Duration::MAX));
    let first = next(&told);
    assert!(first.is_empty() && first.is_initial());
    assert_eq!(first.unreadable(), [place.path("lost+found")]);
    assert!(first.to_string().ends_with(", 1 unreadable"), "{first}");

    let (mut mirror, mut files) = (Mirror::default(), Vec::new());
    for round in 0..5 {
        for name in ["a", "z/deep", "z"] {
            let name = format!("{name}/{round}.md");
            place.write(&name, "1");
            files.push(place.path(&name));
            let changes = mirror.wait_for_these(&told, &files);
            assert_eq!(changes.unreadable(), [place.path("lost+found")]);
        }
        // Folders that come later, and that are renamed, are watched too.
        let (new, renamed) = (format!("new {round}"), format!("z/renamed {round}"));
        fs::create_dir_all(place.path(&format!("{new}/deep"))).unwrap();
        place.write(&format!("{new}/deep/a.md"), "1");
        files.push(place.path(&format!("{new}/deep/a.md")));
        mirror.wait_for_these(&told, &files);
        fs::rename(place.path(&new), place.path(&renamed)).unwrap();
        files.pop();
        files.push(place.path(&format!("{renamed}/deep/a.md")));
        mirror.wait_for_these(&told, &files);
        place.write(&format!("{renamed}/deep/b.md"), "1");
        files.push(place.path(&format!("{renamed}/deep/b.md")));
        mirror.wait_for_these(&told, &files);
    }
    let logged = LOG.0.lock().unwrap().clone();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains("lost+found cannot be read and is left out"));

    allow(&place.path("lost+found"));
    files.push(place.path("lost+found/in.md"));
    let changes = mirror.wait_for_these(&told, &files);
    assert!(changes.unreadable().is_empty());
    place.write("lost+found/more.md", "1");
    files.push(place.path("lost+found/more.md"));
    mirror.wait_for_these(&told, &files);
    assert!(host.stop().is_clean());
    assert_eq!(*LOG.0.lock().unwrap(), logged);
}

#[cfg(target_os = "linux")]
#[test]
fn a_tree_that_comes_with_a_subfolder_that_may_not_be_read_is_watched_all_the_same() {
    let test = "a_tree_that_comes_with_a_subfolder_that_may_not_be_read_is_watched_all_the_same";
    if !is_alone_and_no_root(test) {
        return;
    }
    let place = Place::new();
    let tree = place.parent.path().join("tree");
    for name in ["a", "b/x", "b/y", "c"] {
        fs::create_dir_all(tree.join(name)).unwrap();
    }
    forbid(&tree.join("b/secret"));
    let (host, told) = started(place.watch().rescan_every(Duration::MAX));
    assert!(next(&told).unreadable().is_empty());
    fs::rename(&tree, place.path("tree")).unwrap();
    let (mut mirror, mut files) = (Mirror::default(), Vec::new());
    for round in 0..3 {
        for name in ["a", "b/x", "b/y", "c", "b"] {
            let name = format!("tree/{name}/{round}.md");
            place.write(&name, "1");
            files.push(place.path(&name));
            mirror.wait_for_these(&told, &files);
        }
    }
    place.write("last.md", "1");
    files.push(place.path("last.md"));
    let changes = mirror.wait_for_these(&told, &files);
    assert_eq!(changes.unreadable(), [place.path("tree/b/secret")]);
    assert!(host.stop().is_clean());
    let logged = LOG.0.lock().unwrap().clone();
    assert_eq!(logged.len(), 1, "{logged:?}");
}
