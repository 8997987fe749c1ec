//! What needs a process of its own: aborts, signals, limits, closed pipes.
//!
//! The parent runs this same binary again with the name of a scenario in its
//! environment; `scenario` below then does that instead of testing.
#![cfg(unix)]

mod common;

use common::examples::text;
#[cfg(target_os = "linux")]
use common::scenario::refusing_threads;
use common::scenario::{SCENARIO, play};
use common::{Gate, LONG, expected_panic, hasty, occupy};
use groundcrew::channel::bounded;
use groundcrew::{BoxError, Host, Pool, StopPlan, WorkQueue};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio, exit};
use std::thread;
use std::time::Duration;

fn output(scenario: &str) -> Output {
    play(scenario).output().unwrap()
}

#[test]
fn scenario() {
    let Ok(scenario) = std::env::var(SCENARIO) else {
        return;
    };
    match scenario.as_str() {
        "panic while unwinding" => panic_while_unwinding(),
        "panic in the panic hook" => panic_in_the_panic_hook(),
        "panic with a named task" => panic_with_a_named_task(),
        "panic outside of tasks" => panic_outside_of_tasks(),
        "panic in a thread-local" => panic_in_a_thread_local(),
        "stack overflow" => stack_overflow(),
        "exit in a task" => exit_in_a_task(),
        "main returns" => main_returns(),
        "unclean drop" => unclean_drop(),
        "unclean drop inside" => unclean_drop_inside(),
        "too few threads" => too_few_threads(),
        "no helpers" => no_helpers(),
        "no driver" => no_driver(),
        "stuck stderr" => stuck_stderr(),
        #[cfg(target_os = "linux")]
        "report to a full stderr" => full_stderr::report(),
        #[cfg(target_os = "linux")]
        "report to a terminal" => terminal::report(),
        #[cfg(target_os = "linux")]
        "batcher and a full stderr" => full_stderr::batcher(),
        "nothing left" => nothing_left(),
        #[cfg(feature = "signals")]
        "signals" => signals::wait_for_signals(),
        #[cfg(feature = "signals")]
        "foreign handler" => signals::foreign_handler(),
        #[cfg(feature = "signals")]
        "handler of another crate" => signals::handler_of_another_crate(),
        #[cfg(feature = "signals")]
        "guard dropped in time" => signals::guard_dropped_in_time(),
        #[cfg(all(feature = "signals", target_os = "linux"))]
        "stuck exit" => signals::stuck_exit(),
        #[cfg(feature = "signals")]
        "guard dropped" => signals::guard_dropped(),
        other => panic!("no scenario {other}"),
    }
}

/// Ends the test harness's process without its last words.
fn leave(code: i32) -> ! {
    let _ = std::io::stdout().flush();
    exit(code)
}

// What nothing can be done about, and the documentation says so.

#[test]
fn rust_itself_aborts_on_these_and_no_pool_can_help_it() {
    for scenario in [
        "panic while unwinding",
        "panic in the panic hook",
        "panic in a thread-local",
        "stack overflow",
    ] {
        let status = output(scenario).status;
        let abort = status.signal();
        assert!(matches!(abort, Some(6 | 11)), "{scenario}: {status}");
    }
}

/// The lines that were written to stderr, without those of other things.
fn messages(scenario: &str) -> Vec<String> {
    let output = output(scenario);
    assert!(output.status.success(), "{output:?}");
    let text = text(&output.stderr);
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

#[test]
fn the_message_of_a_panic_names_the_task_after_what_the_hook_before_has_written() {
    let messages = messages("panic with a named task");
    let [hook, note] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(hook, "the hook of the program: boom");
    let begin = "note: it ran task #";
    let end = "\"resize \"a\"\" of pool \"render\", submitted at tests/process.rs:";
    assert!(note.starts_with(begin) && note.contains(end), "{note}");
}

fn panic_with_a_named_task() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload().downcast_ref::<&str>().unwrap();
        let _ = writeln!(std::io::stderr(), "the hook of the program: {text}");
    }));
    groundcrew::task::install_panic_hook();
    groundcrew::task::install_panic_hook(); // has no effect
    let pool = Pool::builder().threads(1).name("render").build().unwrap();
    // The task below it on the stack is another one.
    let outer = pool.task("outer").submit_with(|ctx| {
        let inner = ctx
            .submitter()
            .task("resize \"a\"")
            .submit(|| panic!("boom"))
            .unwrap();
        assert!(inner.join().is_err());
    });
    outer.unwrap().join().unwrap();
}

#[test]
fn the_message_of_a_panic_outside_of_tasks_names_the_thread_and_no_task() {
    let messages = messages("panic outside of tasks");
    for thread in ["web", "emails-0", "own thread"] {
        let begin = format!("thread '{thread}' ");
        let of_thread = messages.iter().filter(|line| line.starts_with(&begin));
        assert_eq!(of_thread.count(), 1, "{thread}: {messages:?}");
    }
    let names_tasks = messages.iter().any(|line| line.contains("it ran task"));
    assert!(!names_tasks, "{messages:?}");
}

fn panic_outside_of_tasks() {
    groundcrew::task::install_panic_hook();
    let emails = WorkQueue::new(1);
    emails.submit("Dear reader").unwrap();
    let mut host = Host::builder();
    host.add(
        "emails",
        emails.workers(1, || {
            |_, _| -> Result<(), BoxError> { panic!("no address") }
        }),
    );
    host.background("web", |_| panic!("no port"))
        .after("emails");
    let _ = host.build().unwrap().run();
    let pool = Pool::new(1).unwrap();
    pool.submit(|| ()).unwrap().join().unwrap();
    let thread = thread::Builder::new().name("own thread".to_owned());
    let joined = thread.spawn(|| panic!("no luck")).unwrap().join();
    assert!(joined.is_err());
}

fn panic_while_unwinding() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    let pool = Pool::new(1).unwrap();
    let bomb = Bomb;
    let task = move || {
        let _bomb = &bomb;
        panic!("in the task")
    };
    drop(pool.submit::<_, ()>(task).unwrap().join());
}

fn panic_in_the_panic_hook() {
    std::panic::set_hook(Box::new(|_| panic!("in the hook")));
    let pool = Pool::new(1).unwrap();
    drop(
        pool.submit::<_, ()>(|| panic!("in the task"))
            .unwrap()
            .join(),
    );
}

fn panic_in_a_thread_local() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a thread-local");
        }
    }
    thread_local! {
        static BOMB: std::cell::RefCell<Option<Bomb>> = const { std::cell::RefCell::new(None) };
    }
    let pool = Pool::new(1).unwrap();
    pool.execute(|| BOMB.set(Some(Bomb))).unwrap();
    drop(pool.stop(LONG));
    // The thread may abort a moment after the stop, were it left behind.
    thread::park_timeout(LONG);
}

fn stack_overflow() {
    fn deeper(n: u64) -> u64 {
        let ballast = std::hint::black_box([n; 512]);
        match n {
            u64::MAX => 0,
            _ => deeper(n + 1) + ballast[(n % 512) as usize],
        }
    }
    let pool = Pool::builder()
        .threads(1)
        .stack_size(64 * 1024)
        .build()
        .unwrap();
    drop(pool.submit(|| deeper(0)).unwrap().join());
}

#[test]
fn a_task_that_exits_the_process_exits_it() {
    assert_eq!(output("exit in a task").status.code(), Some(7));
}

fn exit_in_a_task() {
    let pool = Pool::new(2).unwrap();
    pool.execute(|| leave(7)).unwrap();
    pool.wait_idle();
}

#[test]
fn when_main_returns_what_still_runs_ends_with_it() {
    let output = output("main returns");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains("never printed"));
}

fn main_returns() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::new();
    drop(occupy(&pool, &gate));
    pool.execute(|| println!("never printed")).unwrap();
    std::mem::forget((pool, gate));
}

// What is said, and to whom.

#[test]
fn without_a_logger_an_unclean_drop_is_reported_on_stderr() {
    let output = output("unclean drop");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told = text(&output.stderr);
    assert!(
        told.contains("pool groundcrew was dropped: stop: NOT CLEAN"),
        "{told}"
    );
    assert!(
        told.contains("1 abandoned, 1 unstarted of 2 accepted"),
        "{told}"
    );
}

#[test]
fn a_report_is_logged_also_if_a_task_drops_the_pool_after_a_request() {
    let mut child = play("unclean drop inside")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let told = BufReader::new(child.stderr.take().unwrap());
    let told = told
        .lines()
        .map(Result::unwrap)
        .find(|line| line.contains("NOT CLEAN"));
    child.kill().unwrap();
    child.wait().unwrap();
    let told = told.expect("the child says so before it ends");
    assert!(
        told.contains("pool groundcrew was dropped: stop:"),
        "{told}"
    );
}

/// A request whose report nobody fetches, of a pool whose own task drops it
/// before or after the report is made.
fn unclean_drop_inside() {
    let pool = std::sync::Arc::new(Pool::new(2).unwrap());
    let (gate, last) = (Gate::new(), pool.clone());
    drop(occupy(&pool, &gate));
    let stop = pool.stop_handle();
    let (tell, told) = bounded(1);
    pool.execute_with(move |ctx| {
        ctx.token().wait();
        drop(last);
        tell.send(()).unwrap();
    })
    .unwrap();
    while pool.running().len() < 2 {}
    drop(pool);
    stop.request_stop(StopPlan::cancel(Duration::from_millis(20)));
    told.recv().unwrap();
    // Until the parent has seen what it waits for.
    thread::park_timeout(LONG);
    leave(1);
}

#[test]
fn a_closed_stdout_and_stderr_do_no_harm() {
    let mut child = play("unclean drop")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    // The harness may fail to print, but nothing aborts and nothing hangs.
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), None, "{status}");
}

fn unclean_drop() {
    let gate = Gate::new();
    let pool = hasty().build().unwrap();
    drop(occupy(&pool, &gate));
    pool.execute(|| ()).unwrap();
    drop(pool);
    leave(0);
}

// Threads that cannot be had, and threads that are gone.

/// How many threads this process has; only Linux tells.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_cannot_be_started_fails_the_build_and_the_others_are_gone() {
    let this = std::env::current_exe().unwrap();
    // Twenty stacks of 256 MiB do not fit into the address space that is left.
    let limited = Command::new("sh")
        .args([
            "-c",
            "ulimit -v 3000000 && exec \"$0\" --exact scenario --nocapture",
        ])
        .arg(&this)
        .env(SCENARIO, "too few threads")
        .output()
        .unwrap();
    assert!(limited.status.success(), "{}", text(&limited.stderr));
    let said = text(&limited.stdout);
    assert!(said.contains("failed as it should: worker "), "{said}");

    if let Some(output) = refusing_threads("too few threads", "4+") {
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.contains("kind WouldBlock"), "{said}");
    }
}

fn too_few_threads() {
    let before = threads();
    let (tell, told) = bounded(64);
    let error = Pool::builder()
        .threads(20)
        .stack_size(256 << 20)
        .on_worker_start(move |index| tell.send(index).unwrap())
        .build()
        .unwrap_err();
    println!("failed as it should: {error}, kind {:?}", error.kind());
    // Those before it are gone. The system may still list a thread that was joined.
    while threads() > before {
        thread::yield_now();
    }
    assert_eq!(told.try_iter().count(), 0, "no hook was called");
}

#[cfg(target_os = "linux")]
#[test]
fn a_stop_takes_over_from_a_request_that_finds_no_thread() {
    // The first are the stopping thread and two workers for each pool.
    let Some(output) = refusing_threads("no driver", &format!("{}+", 2 * POOLS + 2)) else {
        return;
    };
    assert!(output.status.success(), "{}", text(&output.stderr));
}

const POOLS: usize = 50;

fn no_driver() {
    let (pass, handles) = bounded::<groundcrew::StopHandle>(0);
    let (tell, told) = bounded(0);
    thread::spawn(move || {
        for handle in handles {
            tell.send(handle.stop(LONG).completed()).unwrap();
        }
    });
    let pools: Vec<_> = (0..POOLS).map(|_| Pool::new(2).unwrap()).collect();
    for pool in &pools {
        pass.send(pool.stop_handle()).unwrap();
        pool.stop_handle().request_stop(StopPlan::drain(LONG));
        assert_eq!(told.recv_timeout(LONG / 2), Ok(0));
    }
}

#[test]
fn a_drop_does_not_wait_for_a_stderr_that_is_stuck() {
    let output = output("stuck stderr");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn stuck_stderr() {
    let pool = hasty().build().unwrap();
    let (tell, told) = bounded(1);
    pool.execute(move || {
        let _stderr = std::io::stderr().lock();
        tell.send(()).unwrap();
        thread::park_timeout(LONG);
    })
    .unwrap();
    told.recv().unwrap();
    drop(pool);
    // Without the lock on stderr, which is never given back.
    leave(0);
}

/// A stderr that is a terminal.
#[cfg(target_os = "linux")]
mod terminal {
    use super::*;
    use common::scenario::play_on_a_terminal;
    use std::process::Termination;

    const TASK: &str = "a task whose name is longer than the terminal is wide, and that is cut there and nowhere else";

    /// The lines of the report, without what the test harness has written before.
    fn lines(output: &[u8]) -> Vec<String> {
        let text = text(output);
        let report = text.find("stop: NOT CLEAN").map(|begin| &text[begin..]);
        let lines = report.unwrap_or_else(|| panic!("{text}")).lines();
        lines.map(|line| line.trim_end().to_owned()).collect()
    }

    #[test]
    fn a_report_that_main_returns_is_as_wide_as_the_terminal_and_never_broken_in_a_pipe() {
        let Some(output) = play_on_a_terminal("report to a terminal", 80) else {
            return;
        };
        for line in lines(&output.stdout) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let mut piped = play("report to a terminal");
        let output = piped.env("COLUMNS", "80").output().unwrap();
        let lines = lines(&output.stderr);
        let name = |line: &String| line.contains(TASK) && line.contains("tests/common/mod.rs:");
        assert!(!lines.iter().any(|line| line.contains('…')), "{lines:?}");
        assert!(lines.iter().any(name), "{lines:?}");
    }

    pub(super) fn report() {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::new();
        drop(common::occupy_as(&pool, &gate, TASK));
        let report = pool.stop(StopPlan::cancel(Duration::ZERO));
        let _ = report.report(); // as `main` does with what it returns
        leave(75);
    }
}

/// A stderr that is a full pipe, as that of a program whose reader is stopped.
#[cfg(target_os = "linux")]
mod full_stderr {
    use super::*;
    use common::{fill_pipe, within};
    use groundcrew::Batcher;
    use std::process::{ExitCode, Termination};

    /// The exit code of a scenario whose stderr is not read.
    fn code(scenario: &str) -> Option<i32> {
        let mut child = play(scenario)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let status = within(LONG, scenario, || child.wait().unwrap());
        status.code()
    }

    #[test]
    fn a_main_that_returns_a_report_ends_with_its_code_though_stderr_is_not_read() {
        assert_eq!(code("report to a full stderr"), Some(75));
    }

    pub(super) fn report() {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::new();
        drop(occupy(&pool, &gate));
        fill_pipe(2);
        let report = pool.stop(StopPlan::cancel(Duration::ZERO));
        let code = report.exit_code();
        // As `main` does with what it returns.
        assert_eq!(report.report(), ExitCode::from(code));
        leave(code.into());
    }

    #[test]
    fn the_drop_of_a_batcher_does_not_wait_for_a_reader_of_stderr() {
        assert_eq!(code("batcher and a full stderr"), Some(0));
    }

    pub(super) fn batcher() {
        struct Stderr;
        impl log::Log for Stderr {
            fn enabled(&self, _: &log::Metadata<'_>) -> bool {
                true
            }
            fn log(&self, record: &log::Record<'_>) {
                let _ = writeln!(std::io::stderr(), "{}", record.args());
            }
            fn flush(&self) {}
        }
        log::set_logger(&Stderr).unwrap();
        log::set_max_level(log::LevelFilter::Error);
        let pool = Pool::new(1).unwrap();
        let events = Batcher::builder("events")
            .max_age(LONG)
            .build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()))
            .unwrap();
        events.submit(7).unwrap();
        drop(pool);
        fill_pipe(2);
        drop(events);
        leave(0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_stop_works_where_no_helper_can_be_started() {
    // The first two are the workers.
    let Some(output) = refusing_threads("no helpers", "3+") else {
        return;
    };
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("2 lingering"),
        "{}",
        text(&output.stdout)
    );
}

fn no_helpers() {
    // Each thread may start two; so the workers, which would help, cannot start any more.
    let pool = Pool::builder().threads(2).on_worker_start(|_| {
        for _ in 0..2 {
            thread::spawn(|| ()).join().unwrap();
        }
    });
    let pool = pool.build().unwrap();
    let handle = pool.submit(|| 7).unwrap();
    pool.stop_handle().request_stop(StopPlan::drain(LONG));
    let report = pool.stop(LONG);
    println!("{report}");
    assert_eq!(handle.join().unwrap(), 7);
    assert!(
        report.elapsed() < LONG / 2,
        "nobody waits for what is not joined"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn after_a_clean_stop_no_thread_and_no_file_descriptor_is_left() {
    let output = output("nothing left");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn nothing_left() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let before = (threads(), descriptors());
    for _ in 0..50 {
        let pool = Pool::new(4).unwrap();
        for _ in 0..100 {
            pool.execute(|| ()).unwrap();
        }
        let report = pool.stop(LONG);
        assert!(report.is_clean(), "{report}");
        drop((report, pool));
    }
    // The helper that joined the last of them is itself on its way out.
    while threads() > before.0 {
        thread::yield_now();
    }
    assert_eq!((threads(), descriptors()), before);
}

#[cfg(feature = "signals")]
mod signals {
    use super::*;
    use common::examples::ANOTHER_REQUEST;
    use groundcrew::signals::{SignalError, stop_on_signal};
    use std::io::Read;
    use std::process::Child;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    /// A child that has installed its handler and runs what `lines` say.
    struct Signalled {
        child: Child,
        lines: BufReader<std::process::ChildStdout>,
    }

    impl Signalled {
        fn start(scenario: &str, kind: &str) -> Signalled {
            Signalled::spawn(&mut play(scenario), kind)
        }

        fn spawn(command: &mut Command, kind: &str) -> Signalled {
            let mut child = command
                .env("KIND", kind)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap());
            let mut signalled = Signalled { child, lines };
            signalled.wait_for("ready");
            signalled
        }

        fn wait_for(&mut self, what: &str) {
            let mut line = String::new();
            while !line.contains(what) {
                line.clear();
                let read = self.lines.read_line(&mut line).unwrap();
                assert!(read > 0, "the child ended before it said {what}");
            }
        }

        fn send(&self, signal: &str) {
            kill(signal, self.child.id());
        }

        /// The first request was counted, and this is the next one.
        fn insist(&self, signal: &str) {
            thread::sleep(ANOTHER_REQUEST);
            self.send(signal);
        }

        /// Exit code, what was still to be read of stdout, and stderr.
        fn end(mut self) -> (Option<i32>, String, String) {
            let (mut said, mut told) = (String::new(), String::new());
            self.lines.read_to_string(&mut said).unwrap();
            let mut stderr = self.child.stderr.take().unwrap();
            stderr.read_to_string(&mut told).unwrap();
            (self.child.wait().unwrap().code(), said, told)
        }
    }

    fn kill(signal: &str, process: u32) {
        let status = Command::new("kill")
            .args([signal, &process.to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// `KIND`: "heeds" has tasks that end when asked, "deaf" one that does not, "slow" one
    /// that ends a while after it was asked, and "stuck" a main thread that does not even
    /// call `stop`.
    pub(super) fn wait_for_signals() {
        let kind = std::env::var("KIND").unwrap();
        let pool = Pool::new(1).unwrap();
        let guard = stop_on_signal(&pool.stop_handle(), StopPlan::cancel(LONG)).unwrap();
        let gate = Gate::new();
        match kind.as_str() {
            "heeds" => {
                let task = pool.task("heeds");
                task.execute_with(|ctx| ctx.token().wait()).unwrap();
                while pool.running().is_empty() {}
            }
            "slow" => {
                let task = pool.task("slow");
                task.execute_with(|ctx| {
                    ctx.token().wait();
                    thread::sleep(Duration::from_millis(300));
                })
                .unwrap();
                while pool.running().is_empty() {}
            }
            _ => drop(occupy(&pool, &gate)),
        }
        if kind != "slow" {
            pool.task("behind").execute(|| ()).unwrap();
        }
        println!("ready");
        while !guard.received() {
            thread::yield_now();
        }
        println!("received");
        if kind == "stuck" {
            loop {
                thread::park();
            }
        }
        let report = pool.stop(LONG);
        println!("{report}");
        leave(report.exit_code().into());
    }

    #[test]
    fn the_first_signal_stops_by_plan_whichever_it_is() {
        for signal in ["-INT", "-TERM", "-HUP"] {
            let child = Signalled::start("signals", "heeds");
            child.send(signal);
            let (code, said, told) = child.end();
            assert_eq!(code, Some(75), "{said}{told}");
            assert!(
                said.contains("1 unstarted of 2 accepted"),
                "{signal}: {said}"
            );
            assert_eq!(
                told.matches("the next one reports at once").count(),
                1,
                "{told}"
            );
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn as_the_first_process_of_a_container_it_stops_on_sigterm() {
        let in_namespace = |program: &std::ffi::OsStr| {
            let mut command = Command::new("unshare");
            command.args(["--pid", "--fork"]).arg(program);
            command
        };
        let probe = in_namespace("true".as_ref()).output();
        if !probe.is_ok_and(|probe| probe.status.success()) {
            eprintln!("SKIPPED: unshare cannot be had, so nothing is the first process");
            return;
        }
        let played = play("signals");
        let mut command = in_namespace(played.get_program());
        command.args(played.get_args()).env(SCENARIO, "signals");
        let child = Signalled::spawn(&mut command, "heeds");
        // The process that is told is not `unshare`, but its child.
        let id = child.child.id();
        let children = format!("/proc/{id}/task/{id}/children");
        let first = std::fs::read_to_string(children).unwrap();
        let kill = Command::new("kill").args(["-TERM", first.trim()]).status();
        assert!(kill.unwrap().success());
        let (code, said, told) = child.end();
        assert_eq!(code, Some(75), "{said}{told}");
    }

    #[test]
    fn the_second_signal_makes_the_deadline_now_and_the_report_is_still_made() {
        let mut child = Signalled::start("signals", "deaf");
        child.send("-INT");
        child.wait_for("received");
        child.insist("-INT");
        let (code, said, told) = child.end();
        assert_eq!(code, Some(75), "{said}{told}");
        assert!(
            said.contains("1 abandoned, 1 unstarted of 2 accepted"),
            "{said}"
        );
        assert!(told.contains("the next one exits"), "{told}");
    }

    #[test]
    fn the_third_signal_exits_at_once_with_130() {
        let mut child = Signalled::start("signals", "stuck");
        child.send("-INT");
        child.wait_for("received");
        child.insist("-TERM");
        child.insist("-INT");
        let (code, _, told) = child.end();
        assert_eq!(code, Some(130), "{told}");
        assert!(told.contains("the next one exits"), "{told}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_third_signal_ends_it_even_where_an_exit_is_stuck() {
        let mut child = play("stuck exit")
            .env("RUST_TEST_NOCAPTURE", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut lines = stderr.lines().map(Result::unwrap);
        let mut wait_for = |what: &str| assert!(lines.any(|line| line.contains(what)), "{what}");
        wait_for("ready");
        kill("-INT", child.id());
        wait_for("signal received");
        for signal in ["-TERM", "-HUP"] {
            thread::sleep(ANOTHER_REQUEST);
            kill(signal, child.id());
        }
        let status = common::within(LONG, "the third signal", || child.wait().unwrap());
        match cfg!(feature = "unix-signals") {
            true => assert_eq!(status.code(), Some(130), "{status}"),
            false => assert_eq!(status.signal(), Some(6), "{status}"),
        }
    }

    /// What was printed without a newline is written by the exit, which blocks.
    #[cfg(target_os = "linux")]
    pub(super) fn stuck_exit() {
        let pool = Pool::new(1).unwrap();
        let _guard = stop_on_signal(&pool.stop_handle(), LONG).unwrap();
        common::fill_pipe(1);
        print!("50 %");
        let _ = writeln!(std::io::stderr(), "ready");
        loop {
            thread::park();
        }
    }

    #[test]
    fn signals_within_half_a_second_are_one_request_and_do_not_cut_the_stop_short() {
        let child = Signalled::start("signals", "slow");
        let id = child.child.id();
        let all = format!("kill -INT {id}; kill -TERM {id}; kill -HUP {id}");
        let sent = Command::new("sh").args(["-c", &all]).status();
        assert!(sent.unwrap().success());
        let (code, said, told) = child.end();
        assert_eq!(code, Some(0), "{said}{told}");
        assert!(said.contains("stop: clean"), "{said}");
        assert!(told.contains("within 0.5 s it is the same"), "{told}");
        assert!(!told.contains("second signal"), "{told}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn gnu_timeout_which_signals_the_child_and_then_its_group_asks_once() {
        let version = Command::new("timeout").arg("--version").output();
        if !version.is_ok_and(|it| text(&it.stdout).contains("GNU")) {
            eprintln!("SKIPPED: GNU timeout cannot be had");
            return;
        }
        // Directly, where the system may make one of the two; and by way of a wrapper, which
        // passes on, a little later, what the group has got already.
        let wrapper = r#""$0" "$@" & pid=$!
            trap "sleep 0.05; kill -TERM $pid" TERM
            while kill -0 $pid 2>&-; do wait $pid; code=$?; done
            exit $code"#;
        let played = play("signals");
        let both = [&[][..], &["sh", "-c", wrapper]].map(|wrapper| {
            let mut command = Command::new("timeout");
            command
                .args(["--preserve-status", "-s", "TERM", "2"])
                .args(wrapper)
                .arg(played.get_program())
                .args(played.get_args())
                .env(SCENARIO, "signals");
            Signalled::spawn(&mut command, "slow")
        });
        for child in both {
            let (code, said, told) = child.end();
            assert_eq!(code, Some(0), "{said}{told}");
            assert!(said.contains("stop: clean"), "{said}");
        }
    }

    #[test]
    fn a_second_signal_of_the_same_request_does_no_harm_when_the_guard_is_gone() {
        let mut child = Signalled::start("guard dropped in time", "");
        child.send("-INT");
        child.wait_for("guard dropped");
        child.send("-TERM");
        let (code, _, told) = child.end();
        assert_eq!(code, Some(0), "{told}");
    }

    pub(super) fn guard_dropped_in_time() {
        let pool = Pool::new(1).unwrap();
        let guard = stop_on_signal(&pool.stop_handle(), LONG).unwrap();
        println!("ready");
        while !guard.received() {
            thread::yield_now();
        }
        drop(guard);
        println!("guard dropped");
        // What `main` has left to do.
        thread::sleep(Duration::from_millis(400));
        leave(0);
    }

    #[test]
    fn a_foreign_handler_is_an_error_that_says_what_to_do() {
        let output = output("foreign handler");
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    pub(super) fn foreign_handler() {
        ctrlc::set_handler(|| ()).unwrap();
        expect_foreign_handler();
    }

    /// The feature `unix-signals` lets both be called, and so there is no error.
    fn expect_foreign_handler() {
        let pool = Pool::new(1).unwrap();
        let taken = stop_on_signal(&pool.stop_handle(), LONG);
        if cfg!(feature = "unix-signals") {
            drop(taken.unwrap());
            return;
        }
        let error = taken.unwrap_err();
        assert!(matches!(error, SignalError::ForeignHandler));
        let error = error.to_string();
        for advice in ["StopHandle::request", "unix-signals"] {
            assert!(error.contains(advice), "{error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_handler_of_another_crate_is_not_replaced_in_silence() {
        for signal in ["-HUP", "-INT", "-TERM"] {
            let output = play("handler of another crate")
                .env("KIND", signal)
                .output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
    }

    pub(super) fn handler_of_another_crate() {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let signal = std::env::var("KIND").unwrap();
        let number = match signal.as_str() {
            "-HUP" => SIGHUP,
            "-INT" => SIGINT,
            _ => SIGTERM,
        };
        let came = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(number, came.clone()).unwrap();
        for _ in 0..2 {
            expect_foreign_handler();
        }
        let pool = Pool::new(1).unwrap();
        let guard = stop_on_signal(&pool.stop_handle(), LONG);
        kill(&signal, std::process::id());
        while !came.load(SeqCst) {
            thread::yield_now();
        }
        // With the feature `unix-signals` it comes here, too.
        while guard.as_ref().is_ok_and(|guard| !guard.received()) {
            thread::yield_now();
        }
    }

    #[test]
    fn with_the_guard_gone_a_signal_exits_and_the_handler_can_be_taken_again() {
        let child = Signalled::start("guard dropped", "");
        child.send("-INT");
        let (code, _, told) = child.end();
        assert_eq!(code, Some(130), "{told}");
    }

    pub(super) fn guard_dropped() {
        let pool = Pool::new(1).unwrap();
        for _ in 0..3 {
            let guard = stop_on_signal(&pool.stop_handle(), LONG).unwrap();
            let second = stop_on_signal(&pool.stop_handle(), LONG).unwrap_err();
            assert!(matches!(second, SignalError::AlreadyTaken));
            drop(guard);
        }
        println!("ready");
        loop {
            thread::park();
        }
    }
}

#[test]
fn a_panic_in_a_child_scenario_is_seen() {
    // Guards the guards: a scenario that fails must fail its test.
    let output = play("no such scenario").output().unwrap();
    assert!(!output.status.success());
    let _ = expected_panic as fn() -> !;
}
