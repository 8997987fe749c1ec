#!/usr/bin/env python3
"""Durable jobs of groundcrew beside other job queues on SQLite, each with its own defaults.

    benches/jobs-peers/run.py                 # builds all, then five rounds: six minutes
    benches/jobs-peers/run.py --quick         # a look that it works
    benches/jobs-peers/run.py --build-only

Needs cargo, Python 3, and what cargo and pip fetch. Each peer is a package of its own beside this
script, since a program can link one SQLite only. Every system is measured once in each round, in
an order of its own, each time on a new database in target/bench. After each measurement the
database is read, and has to hold what was measured. A line shows the median of the rates, and the
median and the range of the ratios groundcrew / this within a round.
"""

import argparse
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent.parent / "target"
BUILD = TARGET / "jobs-peers"

# What has not ended, and what has: where it stands, by system.
JOBS = "SELECT count(*) FROM groundcrew_job WHERE state = {}"
ROWS = {
    "groundcrew": (JOBS.format(1), JOBS.format(5)),
    # What was taken is deleted.
    "huey": ("SELECT count(*) FROM task", None),
    "effectum": (
        "SELECT count(*) FROM jobs JOIN active_jobs USING(job_id) WHERE finished_at IS NULL",
        "SELECT count(*) FROM jobs WHERE status = 'succeeded'",
    ),
    "apalis": (
        "SELECT count(*) FROM Jobs WHERE status = 'Pending'",
        "SELECT count(*) FROM Jobs WHERE status = 'Done'",
    ),
    "riverqueue": (
        "SELECT count(*) FROM river_job WHERE state = 'available'",
        "SELECT count(*) FROM river_job WHERE state = 'completed'",
    ),
}

# Name, system, the jobs that it works off in some seconds, what its program is given besides: the
# number of workers or of jobs at a time, and for riverqueue the milliseconds between two fetches (by
# default ten workers and 100 ms, which is a pace and no speed).
SYSTEMS = [
    ("groundcrew, FULL", "groundcrew", 60_000, ["2", "FULL"]),
    ("groundcrew, NORMAL", "groundcrew", 60_000, ["2", "NORMAL"]),
    ("huey", "huey", 3_000, ["2"]),
    ("effectum", "effectum", 300, ["2"]),
    ("effectum, 1,000 at a time", "effectum", 12_000, ["1000"]),
    ("apalis", "apalis", 1_500, ["2"]),
    ("riverqueue, 1,000 at a time", "riverqueue", 20_000, ["1000", "1"]),
]

VERBS = {
    "one": "enqueue, one caller",
    "eight": "enqueue, eight callers",
    "batches": "enqueue, batches of 1,000",
    "done": "no-op jobs done",
}


def build():
    """How each system's program is started."""
    commands = {}
    for system in ["groundcrew", "effectum", "apalis", "riverqueue"]:
        build = ["cargo", "build", "--release", "--quiet", "--locked", "--target-dir", BUILD]
        subprocess.run(build, cwd=HERE / system, check=True)
        commands[system] = [BUILD / "release" / f"peer-{system}"]
    python = BUILD / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(BUILD / "venv", with_pip=True)
    needed = HERE / "huey" / "requirements.txt"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", needed], check=True)
    commands["huey"] = [python, HERE / "huey" / "peer.py"]
    return commands


def measure(command, system, verb, amount, more):
    """Jobs a second."""
    (TARGET / "bench").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TARGET / "bench") as folder:
        run = subprocess.run(
            [*command, verb, folder, str(amount), *more],
            stdout=subprocess.PIPE,
            text=True,
            timeout=300,
            check=True,
        )
        count, seconds = run.stdout.split()
        check(system, verb, Path(folder) / "peer.db", int(count))
        return int(count) / float(seconds)


def check(system, verb, file, count):
    """The database holds what was measured."""
    open_query, ended_query = ROWS[system]
    with sqlite3.connect(file) as db:
        read = lambda query: db.execute(query).fetchone()[0]
        if verb != "done":
            found = read(open_query)
            assert found == count, f"{system}: {count} accepted, {found} there"
        else:
            left = read(open_query)
            ended = count if ended_query is None else read(ended_query)
            assert (left, ended) == (0, count), f"{system}: {count} done, {ended} ended, {left} left"


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def table(verb, rates):
    print(f"\n### {VERBS[verb]}\n")
    print("| | jobs/s, median | range | FULL / this | NORMAL / this |")
    print("| --- | --- | --- | --- | --- |")
    for name, values in rates.items():
        cells = []
        for ours in ["groundcrew, FULL", "groundcrew, NORMAL"]:
            ratios = [our / this for our, this in zip(rates[ours], values)]
            low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
            is_ours = name.startswith("groundcrew")
            cells.append("" if is_ours else f"{number(middle)} ({number(low)} to {number(high)})")
        median = number(statistics.median(values))
        extent = f"{number(min(values))} to {number(max(values))}"
        print(f"| {name} | {median} | {extent} | {cells[0]} | {cells[1]} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--verb", choices=list(VERBS))
    arguments = parser.parse_args()
    commands = build()
    if arguments.build_only:
        return
    rounds, seconds, part = (1, 1, 10) if arguments.quick else (arguments.rounds, 2, 1)
    verbs = [arguments.verb] if arguments.verb else list(VERBS)
    rates = {verb: {name: [] for name, *_ in SYSTEMS} for verb in verbs}
    for verb in rates:
        if verb == "batches":
            # It has no way to enqueue several at once.
            del rates[verb]["huey"]
        if verb != "done":
            del rates[verb]["effectum, 1,000 at a time"]
    for nth in range(rounds):
        for verb in verbs:
            order = [system for system in SYSTEMS if system[0] in rates[verb]]
            random.Random(nth).shuffle(order)
            for name, system, jobs, more in order:
                amount = jobs // part if verb == "done" else seconds
                rate = measure(commands[system], system, verb, amount, more)
                rates[verb][name].append(rate)
                print(f"round {nth + 1}, {verb}, {name}: {number(rate)}", file=sys.stderr)
    for verb in verbs:
        table(verb, rates[verb])


main()
