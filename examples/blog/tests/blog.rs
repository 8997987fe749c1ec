//! The example `blog`: whatever stops it, and when, nothing is lost and nothing is sent
//! twice; and what each fault makes of it.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{
    example, finish, output, send, start_telling, stop_signals, text, wait_until_told,
};
use common::{Entrance, Gate, LONG, within};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The blog in a folder, with this number of posts in `posts`.
fn blog(folder: &TempDir, posts: usize) -> Command {
    if !folder.path().join("posts").exists() {
        let count = posts.to_string();
        let made = output(example("blog", folder).args(["posts", "--generate", &count]));
        assert!(made.status.success(), "{}", text(&made.stderr));
        assert_eq!(text(&made.stdout), format!("{count} posts are in posts\n"));
    }
    let mut command = example("blog", folder);
    command.args(["posts", "--state", "state"]);
    command
}

/// What an earlier run has left, as it would have written it.
fn leave(folder: &TempDir, file: &str, values: &[Value]) {
    let state = folder.path().join("state");
    fs::create_dir_all(&state).unwrap();
    let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
    fs::write(state.join(file), lines).unwrap();
}

fn left(folder: &TempDir, file: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.path().join("state").join(file)).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// How often the sink has noted each email and event.
fn noted(folder: &TempDir) -> HashMap<String, usize> {
    let text = fs::read_to_string(folder.path().join("state/sink.log")).unwrap_or_default();
    let mut noted = HashMap::new();
    for line in text.lines() {
        *noted.entry(line.to_owned()).or_default() += 1;
    }
    noted
}

/// The numbers in the line of the last lines that begins so.
fn numbers(output: &Output, what: &str) -> Vec<usize> {
    let stdout = text(&output.stdout);
    let line = stdout.lines().find(|line| line.starts_with(what));
    let words = line.unwrap_or_default().split([' ', ',']);
    words.filter_map(|word| word.parse().ok()).collect()
}

/// A blog that is talked to.
struct Talk {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Talk {
    fn to(command: &mut Command) -> Talk {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Talk { child, answers }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_ref().unwrap(), "{line}").unwrap();
    }

    /// The next line that begins so.
    fn hear(&mut self, start: &str) -> String {
        within(LONG, start, || {
            let lines = self.answers.by_ref().lines().map(Result::unwrap);
            let mut others = Vec::new();
            for line in lines {
                if line.starts_with(start) {
                    return line;
                }
                others.push(line);
            }
            panic!("no {start:?} in {others:?}");
        })
    }

    fn finish(self) -> Output {
        let rest = thread::spawn(move || {
            let mut rest = Vec::new();
            { self.answers }.read_to_end(&mut rest).unwrap();
            rest
        });
        let output = finish(self.child);
        let stdout = rest.join().unwrap();
        Output { stdout, ..output }
    }
}

#[test]
fn queries_are_answered_from_all_posts_and_from_what_is_new() {
    let folder = TempDir::new().unwrap();
    let mut talk = Talk::to(blog(&folder, 50).args(["--visitors", "0"]));
    talk.say("ba"); // typed before the index is there
    assert!(talk.hear("\"ba\"").starts_with("\"ba\": 10 found in "));
    talk.say("unheard");
    assert!(talk.hear("\"unheard\"").contains(": 0 found"));
    let path = folder.path().join("posts/new.md");
    fs::write(
        &path,
        "# A title\n\nUnheard, *unheard*. [Gone](nowhere.md)\n",
    )
    .unwrap();
    within(LONG, "the new post", || {
        loop {
            talk.say("unheard");
            if talk.hear("\"unheard\"").contains(": 1 found") {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let hit = talk.hear("  ");
    assert!(hit.ends_with("  posts/new.md  A title"), "{hit}");
    talk.say(":links");
    talk.hear("  posts/new.md links to nowhere.md");
    fs::remove_file(&path).unwrap();
    within(LONG, "the end of the post", || {
        loop {
            talk.say("unheard");
            if talk.hear("\"unheard\"").contains(": 0 found") {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    talk.say(":quit");
    let output = talk.finish();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(numbers(&output, "posts:"), [50, 0]);
}

#[test]
fn a_sink_that_is_down_costs_no_email_and_the_next_start_sends_them() {
    let folder = TempDir::new().unwrap();
    let mut talk = Talk::to(blog(&folder, 5).args([
        "--visitors",
        "0",
        "--sink-down",
        "--stop-timeout",
        "1000",
    ]));
    talk.say(":newsletter");
    assert_eq!(talk.hear("newsletter"), "newsletter: written to 3 readers");
    talk.say("ba");
    talk.hear("\"ba\"");
    send(&talk.child, &["TERM"]);
    let output = talk.finish();
    assert_eq!(output.status.code(), Some(75));
    assert_eq!(numbers(&output, "emails:"), [0, 3, 0, 0, 3]);
    assert_eq!(numbers(&output, "events:"), [0, 1, 0, 0, 1]);
    let stdout = text(&output.stdout);
    for name in ["ada", "alan", "grace"] {
        assert!(
            stdout.contains(&format!(" to {name}@example.com: newsletter: ")),
            "{stdout}"
        );
    }
    assert!(stdout.contains(": search for ba"), "{stdout}");
    assert_eq!(
        (left(&folder, "emails.jsonl").len(), noted(&folder).len()),
        (3, 0)
    );

    let mut talk = Talk::to(blog(&folder, 5).args(["--visitors", "0", "--sink-down"]));
    talk.say("ba");
    talk.hear("\"ba\"");
    talk.say(":sink up");
    within(LONG, "acknowledgements", || {
        while noted(&folder).len() < 5 {
            thread::sleep(Duration::from_millis(5));
        }
    });
    talk.say(":quit");
    let output = talk.finish();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(noted(&folder).values().all(|count| *count == 1));
    assert!(left(&folder, "emails.jsonl").is_empty());
}

#[test]
fn an_email_that_is_refused_for_good_is_logged_and_not_tried_again() {
    let folder = TempDir::new().unwrap();
    let email = |id, to| json!({ "id": id, "to": to, "subject": "hello" });
    let emails = [
        email("a-1", "nobody@example.com"),
        email("a-2", "ada@example.com"),
    ];
    leave(&folder, "emails.jsonl", &emails);
    let options = ["--visitors", "0", "--run-for", "300"];
    let output = output(blog(&folder, 5).args(options));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(numbers(&output, "emails:"), [2, 0, 1, 1, 0]);
    let log = text(&output.stderr);
    assert!(
        log.contains("email a-1 to nobody@example.com: hello: refused: there is"),
        "{log}"
    );
    assert_eq!(noted(&folder), HashMap::from([("email a-2".to_owned(), 1)]));
}

#[test]
fn what_a_signal_kept_from_being_read_is_named_and_read_by_the_next_start() {
    let folder = TempDir::new().unwrap();
    // So slow that the signal comes in the middle.
    let mut start = blog(&folder, 40);
    start.args(["--visitors", "0", "--threads", "1"]);
    start.env("RUST_LOG", "blog=debug,groundcrew=info");
    let mut child = start.args(["--chaos", "posts=slow"]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_until_told(&mut stderr, vec!["post-00003.md is read"]);
    send(&child, &["TERM"]);
    let output = finish(child);
    let [read, unread] = numbers(&output, "posts:")[..] else {
        panic!("{output:?}");
    };
    assert_eq!(read + unread, 40);
    assert!(read < 40, "the signal came too late");
    assert_eq!(output.status.code(), Some(75));
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains("not indexed:\n  posts/000/post-000"),
        "{stdout}"
    );
    assert!(stdout.contains(".md: not reached\n"), "{stdout}");
    assert_eq!(left(&folder, "index.jsonl").len(), read);
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    assert!(log.contains("why        signal received"), "{log}");

    let options = ["--visitors", "0", "--run-for", "100"];
    let output = common::examples::output(blog(&folder, 40).args(options));
    assert_eq!(numbers(&output, "posts:"), [40, 0]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_saved_index_is_taken_if_nothing_has_changed_unless_a_new_one_is_asked_for_and_allowed() {
    let folder = TempDir::new().unwrap();
    let run = |options: &[&str]| {
        let options = [options, &["--visitors", "0", "--run-for", "1"]].concat();
        let output = output(blog(&folder, 3).args(options).env("RUST_LOG", "warn"));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(numbers(&output, "posts:"), [3, 0]);
        let titles = left(&folder, "index.jsonl");
        let titles = titles
            .iter()
            .map(|post| post["title"].as_str().unwrap().to_owned());
        (titles.collect::<Vec<_>>(), text(&output.stderr))
    };
    let (titles, _) = run(&[]);
    let mut saved = left(&folder, "index.jsonl");
    saved
        .iter_mut()
        .for_each(|post| post["title"] = "saved".into());
    leave(&folder, "index.jsonl", &saved);
    assert_eq!(run(&[]).0, ["saved"; 3]);
    fs::write(
        folder.path().join("posts/blog.json"),
        r#"{ "reindex": false }"#,
    )
    .unwrap();
    let (kept, log) = run(&["--reindex"]);
    assert_eq!(kept, ["saved"; 3]);
    assert!(
        log.contains("not indexed anew: \"reindex\" is false"),
        "{log}"
    );
    fs::write(
        folder.path().join("posts/blog.json"),
        r#"{ "reindex": true }"#,
    )
    .unwrap();
    assert_eq!(run(&["--reindex"]).0, titles);

    leave(&folder, "index.jsonl", &[json!("what is this?")]);
    let (read, log) = run(&[]);
    assert_eq!(read, titles);
    assert!(log.contains("line 1 is damaged"), "{log}");
}

#[test]
fn bad_input_is_one_line_that_says_what_to_write_instead() {
    let folder = TempDir::new().unwrap();
    let told = |config: &str, options: &[&str]| {
        let mut command = blog(&folder, 1);
        fs::write(folder.path().join("posts/blog.json"), config).unwrap();
        let output = output(command.args(["--run-for", "1"]).args(options));
        assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
        text(&output.stderr)
    };
    for (config, error) in [
        ("{", "posts/blog.json: EOF"),
        (
            r#"{ "zome": "x" }"#,
            r#"there is no "zome"; there are newsletter, zone"#,
        ),
        (
            r#"{ "links_every_seconds": 0 }"#,
            r#""links_every_seconds" cannot be 0"#,
        ),
        (r#"{ "zone": "Mars" }"#, "Mars"),
        (r#"{ "newsletter": "at five" }"#, "at five"),
    ] {
        let log = told(config, &[]);
        assert!(log.contains(error), "{config}: {log}");
    }
    assert!(told("{}", &["--chaos", "x=panic"]).contains("no service \"x\"; one of sink, "));
    let log = told("{}", &["--chaos", "sink=explode"]);
    assert!(
        log.contains("write sink=panic, hang, fail-start, fail or slow"),
        "{log}"
    );
    let log = told("{}", &["--chaos", "reindex=hang"]);
    assert!(log.contains("--reindex"), "{log}");
    leave(&folder, "emails.jsonl", &[json!({ "id": 7 })]);
    assert!(told("{}", &[]).contains("emails.jsonl: line 1 is damaged: mend or remove it"));
}

#[test]
fn once_indexes_everything_and_says_how_fast() {
    let folder = TempDir::new().unwrap();
    let output = output(blog(&folder, 300).args(["--once", "--threads", "2"]));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.starts_with("300 posts, "), "{said}");
    assert!(
        said.contains(" s with 1 worker, ") && said.contains(" s with 2, "),
        "{said}"
    );
    assert!(said.ends_with(" times as fast\n"), "{said}");
}

#[test]
fn once_can_be_interrupted() {
    let folder = TempDir::new().unwrap();
    let (child, mut stderr) = start_telling(blog(&folder, 2_000).arg("--once"));
    wait_until_told(&mut stderr, vec!["2000 posts with 1 workers"]);
    send(&child, &["INT"]);
    let output = finish(child);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(text(&output.stdout), "interrupted: nothing is indexed\n");
}

#[test]
fn two_blogs_do_not_undo_what_the_other_one_did() {
    let folder = TempDir::new().unwrap();
    let mut talk = Talk::to(blog(&folder, 5).args(["--visitors", "0"]));
    talk.say("ba");
    talk.hear("\"ba\"");
    let second = output(&mut blog(&folder, 5));
    assert_eq!(second.status.code(), Some(1));
    let told = "blog: another blog runs with state; give --state another folder\n";
    assert_eq!(text(&second.stderr), told);
    talk.say(":quit");
    assert_eq!(talk.finish().status.code(), Some(0));
}

#[test]
fn what_cannot_be_saved_is_named_in_full_and_the_rest_is_saved() {
    let folder = TempDir::new().unwrap();
    let email =
        |id: u32| json!({ "id": format!("a-{id}"), "to": "ada@example.com", "subject": "" });
    let emails: Vec<Value> = (0..30).map(email).collect();
    leave(&folder, "emails.jsonl", &emails);
    leave(
        &folder,
        "events.jsonl",
        &[json!({ "id": "b-1", "what": "a view" })],
    );
    // A folder is where the new file would be.
    fs::create_dir(folder.path().join("state/emails.new")).unwrap();
    let options = ["--visitors", "0", "--sink-down", "--stop-timeout", "500"];
    let mut talk = Talk::to(blog(&folder, 5).args(options));
    talk.say(":newsletter");
    talk.hear("newsletter: written to 3 readers");
    send(&talk.child, &["TERM"]);
    let output = talk.finish();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    for id in 0..30 {
        assert!(
            said.contains(&format!("\n  email a-{id} to ada@")),
            "{said}"
        );
    }
    assert_eq!(said.matches("\n  email ").count(), 33, "{said}");
    assert!(
        said.contains("not saved, it is as before this run: state/emails.jsonl: "),
        "{said}"
    );
    assert!(text(&output.stderr).contains("host blog: NOT CLEAN"));
    assert_eq!(left(&folder, "events.jsonl").len(), 1);
    assert_eq!(left(&folder, "index.jsonl").len(), 5);
}

/// A sink that takes a request and answers when the gate is open; then it returns the request.
fn slow_sink(gate: Entrance) -> (String, thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut request = String::new();
        BufReader::new(&stream).read_line(&mut request).unwrap();
        gate.pass();
        stream.write_all(b"ok\n").unwrap();
        request
    });
    (address, served)
}

#[test]
fn an_answer_that_comes_behind_the_deadline_is_waited_for_a_moment_and_counts() {
    let folder = TempDir::new().unwrap();
    let event = |id| json!({ "id": format!("b-{id:04}"), "what": "a view" });
    let events: Vec<Value> = (0..100).map(event).collect();
    leave(&folder, "events.jsonl", &events);
    let gate = Gate::new();
    let (address, served) = slow_sink(gate.entrance());
    let options = ["--visitors", "0", "--sink", &address, "--run-for", "100"];
    let mut start = blog(&folder, 5);
    let child = start.args(options).args(["--stop-timeout", "200"]);
    let child = child.spawn().unwrap();
    // The index is saved when the report is made.
    within(LONG, "the end", || {
        while !folder.path().join("state/index.jsonl").exists() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    gate.open();
    let output = finish(child);
    let request = within(LONG, "the sink", || served.join().unwrap());
    assert_eq!(request.matches("b-0").count(), 100);
    assert_eq!(numbers(&output, "events:"), [100, 0, 100, 0, 0]);
    assert!(left(&folder, "events.jsonl").is_empty());
}

#[test]
fn what_gets_no_answer_is_kept_and_named_as_what_may_be_sent_twice() {
    let folder = TempDir::new().unwrap();
    let event = json!({ "id": "b-1", "what": "a view" });
    leave(&folder, "events.jsonl", &[event]);
    let gate = Gate::new();
    let (address, _served) = slow_sink(gate.entrance());
    let options = ["--visitors", "0", "--sink", &address, "--run-for", "100"];
    let output = output(
        blog(&folder, 5)
            .args(options)
            .args(["--stop-timeout", "200"]),
    );
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert_eq!(numbers(&output, "events:"), [1, 0, 0, 0, 1]);
    let said = text(&output.stdout);
    let named = "no answer came in time, may be sent twice:\n  event b-1: a view\n";
    assert!(said.contains(named), "{said}");
    assert_eq!(left(&folder, "events.jsonl").len(), 1);
}

#[test]
fn who_answers_something_else_is_no_sink_and_no_email_is_thrown_away() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n");
        }
    });
    let folder = TempDir::new().unwrap();
    let email = json!({ "id": "a-1", "to": "ada@example.com", "subject": "" });
    leave(&folder, "emails.jsonl", &[email]);
    let options = ["--visitors", "0", "--run-for", "200", "--sink", &address];
    let output = output(blog(&folder, 5).args(options));
    assert_eq!(output.status.code(), Some(75), "{}", text(&output.stderr));
    assert_eq!(numbers(&output, "emails:"), [1, 0, 0, 0, 1]);
}

#[test]
fn a_search_waits_for_no_room_and_takes_whatever_is_typed() {
    let folder = TempDir::new().unwrap();
    let event = |id| json!({ "id": format!("b-{id:04}"), "what": "a view" });
    let events: Vec<Value> = (0..1_000).map(event).collect();
    leave(&folder, "events.jsonl", &events);
    let mut talk = Talk::to(blog(&folder, 5).args(["--visitors", "0", "--sink-down"]));
    for _ in 0..3 {
        talk.say("ba");
        talk.hear("\"ba\"");
    }
    let mut stdin = talk.child.stdin.as_ref().unwrap();
    stdin.write_all(b"caf\xe9\n").unwrap();
    assert!(talk.hear("\"caf").contains(": 0 found"));
    talk.say(":sink up");
    within(LONG, "acknowledgements", || {
        while noted(&folder).len() < 1_000 {
            thread::sleep(Duration::from_millis(5));
        }
    });
    talk.say(":quit");
    let output = talk.finish();
    let [found, made, sent, _, kept] = numbers(&output, "events:")[..] else {
        panic!("{output:?}");
    };
    assert_eq!((found, made), (1_000, 4));
    assert_eq!(
        (sent + kept, left(&folder, "events.jsonl").len()),
        (1_004, kept)
    );
}

/// Every row of the table in the example's documentation.
#[test]
fn each_fault_of_each_service_ends_as_the_table_says() {
    let source = include_str!("../src/chaos.rs");
    let rows = source.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("//! | `")?.split(" | ");
        let chaos = cells.next()?.strip_suffix('`')?;
        let code: i32 = cells.next()?.parse().ok()?;
        let texts = cells
            .next()?
            .trim_end_matches(" |")
            .split('`')
            .skip(1)
            .step_by(2);
        Some((chaos, code, texts.collect::<Vec<_>>()))
    });
    let rows = Mutex::new(rows.collect::<Vec<_>>().into_iter());
    assert_eq!(
        rows.lock().unwrap().len(),
        55,
        "eleven services, five faults"
    );
    let next = || rows.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((chaos, code, texts)) = next() {
                    expect_end(chaos, code, &texts);
                }
            });
        }
    });
}

fn expect_end(chaos: &str, code: i32, texts: &[&str]) {
    let folder = TempDir::new().unwrap();
    let email = json!({ "id": "a-1", "to": "ada@example.com", "subject": "hello" });
    leave(&folder, "emails.jsonl", &[email]);
    leave(
        &folder,
        "events.jsonl",
        &[json!({ "id": "b-1", "what": "a view" })],
    );
    let mut command = blog(&folder, 5);
    command.args([
        "--run-for",
        "600",
        "--stop-timeout",
        "1000",
        "--chaos",
        chaos,
    ]);
    command.args(["--start-timeout", "3000"]);
    if chaos.starts_with("reindex") {
        command.arg("--reindex");
    }
    let output = output(&mut command);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{chaos}: {said}");
    let plain = plain(&said);
    for text in texts {
        assert!(plain.contains(text), "{chaos}: no {text:?} in {plain}");
    }
    // Whatever happened: all that was made or found is sent or kept, once.
    for (what, file) in [("emails:", "emails.jsonl"), ("events:", "events.jsonl")] {
        let [found, made, sent, refused, kept] = numbers(&output, what)[..] else {
            panic!("{chaos}: {said}");
        };
        assert_eq!(
            (found, made + 1),
            (1, sent + refused + kept),
            "{chaos}: {said}"
        );
        assert_eq!(left(&folder, file).len(), kept, "{chaos}: {said}");
    }
}

/// With one space between words, and `#_` for numbers of tasks.
fn plain(text: &str) -> String {
    let words = text
        .split_whitespace()
        .map(|word| match word.strip_prefix('#') {
            Some(number) if number.parse::<u64>().is_ok() => "#_",
            _ => word,
        });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn killed_and_restarted_a_hundred_times_it_loses_nothing_and_sends_nothing_twice() {
    let made: usize = thread::scope(|scope| {
        let chains = [0; 4].map(|_| scope.spawn(|| killed_and_restarted(25)));
        chains.into_iter().map(|chain| chain.join().unwrap()).sum()
    });
    assert!(made > 50, "{made} are few");
}

/// Returns how many emails and events there were.
fn killed_and_restarted(times: usize) -> usize {
    let folder = TempDir::new().unwrap();
    let busy = [
        "--visitors",
        "1",
        "--sink-failures",
        "20",
        "--stop-timeout",
        "5000",
    ];
    let mut made = [0, 0];
    let mut run = |options: &[&str], killed_after: Option<Duration>| {
        let child = blog(&folder, 20).args(options).spawn().unwrap();
        if let Some(moment) = killed_after {
            thread::sleep(moment);
            let signals = stop_signals();
            send(&child, &[signals[fastrand::usize(..signals.len())]]);
        }
        let output = finish(child);
        let code = output.status.code();
        let expected: &[Option<i32>] = match killed_after {
            Some(_) => &[None, Some(0), Some(75)],
            None => &[Some(0)],
        };
        assert!(
            expected.contains(&code),
            "{code:?} {}",
            text(&output.stderr)
        );
        let accounts = ["emails:", "events:"].map(|what| numbers(&output, what));
        for (made, account) in made.iter_mut().zip(accounts) {
            *made += account.get(1).unwrap_or(&0); // none, killed before it takes signals
        }
        expect_each_once(&folder, made);
    };
    for _ in 0..times {
        // Any moment, that before the first instruction included; half of them in the start.
        let latest = [60, 500][fastrand::usize(..2)];
        run(&busy, Some(Duration::from_millis(fastrand::u64(..latest))));
    }
    run(&["--visitors", "0", "--run-for", "1500"], None);
    assert!(left(&folder, "emails.jsonl").is_empty());
    assert!(left(&folder, "events.jsonl").is_empty());
    made.iter().sum()
}

/// All that were made are noted by the sink, or kept; none twice.
fn expect_each_once(folder: &TempDir, made: [usize; 2]) {
    let mut seen = noted(folder);
    for (file, kind) in [("emails.jsonl", "email"), ("events.jsonl", "event")] {
        for item in left(folder, file) {
            let id = item["id"].as_str().unwrap();
            *seen.entry(format!("{kind} {id}")).or_default() += 1;
        }
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    for (kind, made) in ["email ", "event "].into_iter().zip(made) {
        let count = seen.keys().filter(|key| key.starts_with(kind)).count();
        assert_eq!(count, made, "{kind}");
    }
}
