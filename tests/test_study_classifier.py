"""The classifier of Fig. 6: one program, equal training, nothing read beyond its rows."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from helpers import same_bits, strict_jax

from aegan.models.networks import MLP
from aegan.study.low_resource import classifier
from aegan.study.low_resource.classifier import ClassifierProtocol, classify, train_classifier

SMALL = ClassifierProtocol(hidden=(16, 16), batch_size=16, updates=300, rate=0.01)


def clusters(seed, rows=300, dim=6, classes=3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows).astype(np.int32)
    centres = 2.5 * np.eye(classes, dim)
    features = centres[labels] + 0.7 * rng.standard_normal((rows, dim))
    return features.astype(np.float32), labels


@pytest.fixture(scope="module")
def trained():
    with strict_jax():
        return train_classifier(SMALL, 3, *clusters(0), 300, jax.random.key(1))


def test_it_learns(trained):
    features, labels = clusters(1)
    assert (classify(trained, features) == labels).mean() > 0.95


def test_labels_are_those_of_the_network(trained):
    features, _ = clusters(2, rows=50)
    logits = MLP(SMALL.hidden, 3).apply(trained, features)
    found = classify(trained, features)
    assert np.array_equal(found, logits.argmax(axis=1)) and found.dtype == np.int32
    assert classify(trained, features[:0]).shape == (0,)


def test_ten_layers_keep_their_order():
    """hidden10 comes after hidden9, not after hidden1."""
    net = MLP((5,) * 9 + (7, 6), 3)
    params = net.init(jax.random.key(0), np.zeros((1, 6), np.float32))
    features, _ = clusters(0, rows=40)
    assert np.array_equal(classify(params, features), net.apply(params, features).argmax(axis=1))


def test_rows_beyond_the_training_set_have_no_influence():
    features, labels = clusters(0)
    other = features.copy(), labels.copy()
    other[0][200:], other[1][200:] = np.nan, 2
    keys = jax.random.key(3)
    first = train_classifier(SMALL, 3, features, labels, 200, keys)
    assert same_bits(first, train_classifier(SMALL, 3, *other, 200, keys))
    assert not same_bits(first, train_classifier(SMALL, 3, features, labels, 300, keys))


def test_one_program_for_every_number_of_rows(trained):
    features, labels = clusters(0)
    before = classifier.train_classifier._cache_size()
    for rows in (1, 7, 150, 299, 300):
        train_classifier(SMALL, 3, features, labels, rows, jax.random.key(rows))
    assert classifier.train_classifier._cache_size() == before


def test_the_first_weights_depend_on_the_key_alone():
    features, labels = clusters(0)
    none = ClassifierProtocol(hidden=(4,), batch_size=4, updates=0)
    key = jax.random.key(5)
    first = train_classifier(none, 3, features, labels, 10, key)
    assert same_bits(first, train_classifier(none, 3, features[::-1].copy(), labels, 200, key))
    assert not same_bits(first, train_classifier(none, 3, features, labels, 10, jax.random.key(6)))


def test_updates_are_adam_on_the_cross_entropy():
    """Against gradients and Adam (Kingma and Ba, algorithm 1) written out in numpy."""
    features, labels = clusters(4)
    key, rows, rate = jax.random.key(7), 120, 0.02
    start, end = (
        train_classifier(
            ClassifierProtocol((5,), 8, updates, rate), 3, features, labels, rows, key
        )["params"]
        for updates in (0, 4)
    )
    names = [("hidden0", "kernel"), ("hidden0", "bias"), ("output", "kernel"), ("output", "bias")]
    w = [np.asarray(start[layer][kind], float) for layer, kind in names]
    m, v = [np.zeros_like(p) for p in w], [np.zeros_like(p) for p in w]
    batches = np.asarray(jax.random.randint(jax.random.split(key)[1], (4, 8), 0, rows))
    for step, batch in enumerate(batches, 1):
        x, y = features[batch].astype(float), np.eye(3)[labels[batch]]
        hidden = np.maximum(x @ w[0] + w[1], 0)
        scores = np.exp(hidden @ w[2] + w[3])
        delta = (scores / scores.sum(axis=1, keepdims=True) - y) / len(x)
        back = (delta @ w[2].T) * (hidden > 0)
        gradients = [x.T @ back, back.sum(axis=0), hidden.T @ delta, delta.sum(axis=0)]
        for i, g in enumerate(gradients):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g**2
            w[i] -= rate * (m[i] / (1 - 0.9**step)) / (np.sqrt(v[i] / (1 - 0.999**step)) + 1e-8)
    for (layer, kind), wanted in zip(names, w, strict=True):
        assert np.asarray(end[layer][kind]) == pytest.approx(wanted, abs=2e-4)
