"""Races and judgements: several models in one process, over the same rows."""
import math
import time

import datasets

BLOCK = 2e-3  # seconds: a timed block repeats runs that are shorter
SLOW = 2.0    # a side that takes this many times the float model's time is dropped after FEW blocks
FEW = 5


def session(path, threads):
    import onnxruntime as ort

    o = ort.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads = threads, 1
    o.log_severity_level = 3
    o.add_session_config_entry("session.force_spinning_stop", "1")  # or the threads of one side disturb the next
    return ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])


def opened(models, threads):
    """Sessions of the models that open, and why the others do not."""
    sessions, errors = {}, {}
    for name, path in models.items():
        try:
            sessions[name] = session(path, threads)
        except Exception as e:
            errors[name] = str(e).splitlines()[0]
    return sessions, errors


def race(models, data, threads, rounds, seconds):
    """Times the models in turns, the order moving on by one each round, until rounds or seconds are over. Answers, for
    each side, the median time of a run and the median ratio of the float model's time to it, round by round, with the
    95 % interval of that median by order statistics. models maps side to file; "float" is the base."""
    sessions, errors = opened(models, threads)
    feed = datasets.Rows(data, models["float"], 1)[0]
    repeats, times = {}, {name: [] for name in sessions}
    for name, s in sessions.items():
        s.run(None, feed)
        repeats[name] = max(1, math.ceil(BLOCK / min(block(s, feed, 1) for _ in range(3))))
    end = time.perf_counter() + seconds
    order = list(sessions)
    for i in range(rounds):
        if i >= FEW and time.perf_counter() > end:
            break
        for name in order[i % len(order):] + order[: i % len(order)]:
            dropped = i >= FEW and median(times[name][:FEW]) > SLOW * median(times["float"][:FEW])
            times[name].append(math.nan if dropped else block(sessions[name], feed, repeats[name]))
    return {name: result(times["float"], t) for name, t in times.items()} | {n: {"error": e} for n, e in errors.items()}


def block(s, feed, repeats):
    begin = time.perf_counter()
    for _ in range(repeats):
        s.run(None, feed)
    return (time.perf_counter() - begin) / repeats


def result(base, own):
    """The ratios of the rounds that timed both."""
    pairs = [(b, o) for b, o in zip(base, own) if not math.isnan(o)]
    ratios = sorted(b / o for b, o in pairs)
    n = len(ratios)
    k = max(0, math.floor(n / 2 - 0.98 * math.sqrt(n)))
    return {"seconds": median([o for _, o in pairs]), "ratio": median(ratios), "lo": ratios[k], "hi": ratios[n - 1 - k], "n": n}


def median(v):
    s = sorted(v)
    return (s[(len(s) - 1) // 2] + s[len(s) // 2]) / 2


def judge(models, data, rows):
    """Runs the models over the rows of a data set, one at a time, and holds them against the float model: accuracy
    where there are labels, agreement of the largest output where it is one vector of classes, and the signal to noise
    ratio of all float outputs in dB."""
    import numpy as np

    given = datasets.Rows(data, models["float"], rows)
    sessions, errors = opened(models, 1)
    hits, agree = dict.fromkeys(sessions, 0), dict.fromkeys(sessions, 0)
    noise, signal, classes = dict.fromkeys(sessions, 0.0), 0.0, False
    for i in range(len(given)):
        feed = given[i]
        want = [o for o in sessions["float"].run(None, feed) if o.dtype == np.float32]
        signal += energy(want)
        classes = len(want) == 1 and want[0].ndim == 2 and want[0].shape[1] > 1
        for name, s in sessions.items():
            got = [o for o in s.run(None, feed) if o.dtype == np.float32]
            noise[name] += energy([g.astype(np.float64) - w for g, w in zip(got, want)])
            if classes:
                agree[name] += int(got[0].argmax() == want[0].argmax())
                hits[name] += int(given.labels is not None and got[0].argmax() == given.labels[i])
    answer = {name: {"error": e} for name, e in errors.items()}
    for name in sessions:
        r = answer[name] = {"rows": len(given), "sqnr": decibel(signal, noise[name])}
        if classes:
            r["agreement"] = agree[name] / len(given)
        if classes and given.labels is not None:
            r["top1"] = hits[name] / len(given)
    return answer


def energy(tensors):
    import numpy as np

    return float(sum(np.square(t, dtype=np.float64).sum() for t in tensors))


def decibel(signal, noise):
    """None stands for a copy without any noise."""
    return None if noise == 0 else 10 * math.log10(signal / noise) if noise == noise and signal > 0 else -math.inf
