"""What only matters on a GPU or TPU: repeated bits, lanes alone, tests there, overlap."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax
import numpy as np

from aegan.bench.config import BenchConfig, SvmConfig
from aegan.bench.jobs import job_of
from aegan.bench.timing import Part, interleave, not_run, ratio, run_until, section, spread
from aegan.data.simulate import simulated_corpus
from aegan.learning.schedule import LaneState
from aegan.metrics.device import Choice
from aegan.metrics.svm import SvmProtocol, tune_and_fit
from aegan.system.workers import Pool, threads_of, usable_cores
from aegan.training.job import Job, only
from aegan.training.trainers import Vmapped

DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def repeats_part(config: BenchConfig, _: float) -> Part:
    """The same training twice, and its first lane alone, with deterministic operations."""
    job = job_of(config, config.models[0])
    first, again = (trained(job) for _ in range(2))
    alone = trained(replace(job, lanes=only(job.lanes, 0)))
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True)
    differ = sum(a.tobytes() != b.tobytes() for a, b in pairs)
    far = apart(only(first, 0), alone, only(_begun(job).state(), 0))
    rows = [
        {"name": "arrays of the state that differ the second time", **spread([differ])},
        {"name": "worst difference of a lane from the fold alone", **spread([far])},
    ]
    note = (
        f"After {job.learner.batches} batches of {job.number} lanes. The difference is over what "
        "training changed, or a thousandth of the weight."
    )
    headline = {"bits_differ": spread([differ]), "lane_alone": spread([far])}
    return Part([section("The same bits, and a lane alone", note, rows, "")], headline)


def _begun(job: Job) -> Vmapped:
    trainer = Vmapped(job)
    trainer.begin()
    return trainer


def trained(job: Job) -> LaneState:
    """All lanes after an epoch."""
    trainer = _begun(job)
    trainer.run(0, 1)
    return trainer.state()


def apart(state: LaneState, other: LaneState, before: LaneState) -> float:
    """The worst of max |a - b| / max |b - start| over the arrays of the parameters.

    What changed by less than a thousandth counts as changed by that: rounding would be much of it.
    """

    def worst(a: np.ndarray, b: np.ndarray, start: np.ndarray) -> float:
        change = max(np.abs(b - start).max(), 1e-3 * np.abs(b).max(), 1e-30)
        return float(np.abs(a - b).max() / change)

    return max(jax.tree.leaves(jax.tree.map(worst, state.params, other.params, before.params)))


def tests_part(_: BenchConfig, until: float) -> Part:
    """The tests marked gpu, on this machine's device, as pytest counts them."""
    headline, reason = {}, ""
    command = ["pytest", "-q", "-m", "gpu and not slow", "-o", "addopts=", "-x"]
    command += ["-p", "no:cacheprovider", "tests/test_accelerator.py"]
    own = {"XLA_FLAGS": DETERMINISTIC, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    done = run_until(until, command, own)
    if done is None:
        reason = "there was no time left for them"
    else:
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", done.stdout)}
        if "passed" in counts or "failed" in counts:
            failed = counts.get("failed", 0) + counts.get("error", 0)
            headline["tests_failed"] = spread([failed])
            rows = [
                {"name": word, **spread([counts.get(word, 0)])} for word in ("passed", "failed")
            ]
        else:
            reason = (done.stdout + done.stderr).strip().splitlines()[-1][:200]
    if reason:
        rows, headline = [{"name": "tests", **not_run(reason)}], {"tests_failed": not_run(reason)}
    return Part(
        [section("Tests on the device", " ".join(["python -m", *command]), rows, "")], headline
    )


def overlap_part(config: BenchConfig, until: float) -> Part:
    """Training on the device while another process evaluates on the processor, or in turn."""
    job, cores = job_of(config, config.models[0]), max(1, usable_cores() - 1)
    metrics = config.metrics or SvmConfig()
    trainer = _begun(job)
    with Pool(1, threads_of(cores) | {"JAX_PLATFORMS": "cpu"}) as pool:
        evaluating = partial(pool.submit, evaluate, metrics, config.features)

        def evaluation() -> int:
            return evaluating().result()

        evaluation()  # imports
        # As many epochs as take about as long as the evaluation.
        once = interleave({"train": _epochs(trainer, 1), "evaluate": evaluation}, 1)
        many = max(1, round(once["evaluate"][0] / once["train"][0]))

        def both() -> int:
            running = evaluating()
            _epochs(trainer, many)()
            return running.result()

        candidates = {
            "training": _epochs(trainer, many),
            "evaluation": evaluation,
            "both at once": both,
            "evaluation, its Gram matrix by the device": partial(
                evaluate, metrics, config.features, "on"
            ),
        }
        seconds = interleave(candidates, min(config.rounds, 2), until)
    in_turn = [a + b for a, b in zip(seconds["training"], seconds["evaluation"], strict=True)]
    rows = [{"name": name, **spread(own)} for name, own in seconds.items()]
    note = (
        f"{many} epochs of {job.number} lanes, and the search of one SVM on {metrics.rows} rows in "
        f"another process on {cores} threads; its last form in this one."
    )
    table = section("Training and evaluation, overlapped or not", note, rows)
    return Part([table], {"overlap": ratio(in_turn, seconds["both at once"])})


def _epochs(trainer: Vmapped, number: int) -> Callable[[], int]:
    def call() -> int:
        for _ in range(number):
            trainer.run(0, 1)
        return 1

    return call


def evaluate(metrics: SvmConfig, features: int, device: Choice = "off") -> int:
    """The search of one SVM on simulated rows, as metric 1 does it for a fold; counts as one."""
    corpus = simulated_corpus(rows=metrics.rows, dim=features, seed=1)
    z = (corpus.features - corpus.features.mean(axis=0)) / corpus.features.std(axis=0)
    protocol = SvmProtocol(c_grid=metrics.linear, device=device)
    tune_and_fit(z.astype(np.float32), corpus.labels, protocol)
    return 1
