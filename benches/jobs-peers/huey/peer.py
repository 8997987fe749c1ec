"""One measurement of huey: `one` and `eight` enqueue for a number of seconds, `done` runs a number of
jobs with a number of workers. Prints a number of jobs and the seconds they took."""

import sys
import threading
import time

from huey import SqliteHuey

verb, folder, amount = sys.argv[1], sys.argv[2], int(sys.argv[3])
huey = SqliteHuey(filename=f"{folder}/peer.db")
done = 0
lock = threading.Lock()


@huey.task()
def noop(n):
    global done
    with lock:
        done += 1


def callers(count):
    counts = [0] * count

    def call(caller):
        while time.monotonic() - start < amount:
            noop(counts[caller])
            counts[caller] += 1

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(count)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts), time.monotonic() - start


if verb == "done":
    for n in range(amount):
        noop(n)
    consumer = huey.create_consumer(workers=int(sys.argv[4]))
    start = time.monotonic()
    consumer.start()
    while done < amount:
        time.sleep(0.001)
    count, took = amount, time.monotonic() - start
    consumer.stop(graceful=True)
else:
    count, took = callers({"one": 1, "eight": 8}[verb])
print(count, took)
