import time


def best(run, repeats):
    """Seconds of the fastest of `repeats` runs, after two that warm up."""
    run()
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)
