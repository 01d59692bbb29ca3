import time


def best(run, repeats, wait=None):
    """Seconds of the fastest of `repeats` runs, after two that warm up. `wait` waits for a device that works by itself."""
    wait = wait or (lambda: None)
    run()
    run()
    wait()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - start)
    return min(times)
