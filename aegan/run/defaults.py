"""Every field of a run's config, its default and its meaning; ``configs/`` change what differs."""

from __future__ import annotations

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def base(model: str, variant: str, variants: tuple[str, ...]) -> ConfigDict:
    """Fields and defaults of every model; ``variant`` is what stands after the config's colon."""
    if variant not in variants:
        raise ValueError(f"no variant {variant!r} of configs/{model}.py; one of {variants}")
    config = ConfigDict()
    config.variant = variant
    config.seeds = (0,)  # every seed trains every fold: folds x seeds lanes in one call
    config.only_folds = ()  # numbers of the folds to train; empty: all

    config.data = ConfigDict()
    config.data.path = ""  # a Parquet table; empty: the simulated corpus
    config.data.classes = ("angry", "happy", "neutral", "sad")  # empty: as in the table
    config.data.folds = 5  # where the table has no `fold` and no `session` column
    config.data.allow_leaks = False  # True: folds that share speakers or rows run, with a banner
    config.data.licence = ""  # for the passport of synthetic rows; empty: as the table says
    config.data.statistics = "fold"  # or "speaker": each speaker by its own rows (transductive)
    config.data.clip = 10.0  # z-scores beyond are cut
    config.data.simulated_rows = 2000
    config.data.simulated_features = 1582
    config.data.simulated_seed = 0

    # Table 1. The decoder mirrors the encoder; input and class dimensions come from the data.
    config.model = ConfigDict()
    config.model.name = model
    config.model.encoder = (1000, 500, 100)
    config.model.code = 2
    config.model.code_discriminator = (1000, 500, 100)  # D1
    config.model.feature_discriminator = (1000, 500, 100)  # D2
    config.model.auxiliary = (128,)  # AUX, on D2's last hidden layer (M3)
    config.model.code_generator = (140,)  # CG (M3)
    config.model.latent = 20  # dimension of z where the prior is normal (M3)
    config.model.radius = 4.0  # of the mixture's means (M1, M2)
    config.model.spread = 1.0  # standard deviation of its components

    config.train = ConfigDict()
    config.train.updates = 1400  # length of training, in batches: see README, "How long"
    config.train.min_epochs = 4  # ... but at least so many passes over the data
    config.train.epochs = placeholder(int)  # given: so many epochs instead
    config.train.batch_size = 16
    config.train.gain = 0.2  # networks see gain * z-score
    config.train.reduction = "sum"  # of the squared error over the features, or "mean"
    config.train.init = "glorot_uniform"
    config.train.optimiser = "sgd"
    # Step 4 (D2) runs in every second epoch, the first included; steps 1, 2, 3 and 5 in every
    # one. So encoder, decoder and code generator train two epochs for each epoch of D2 (4.3).
    config.train.d2_every = 2
    config.train.fresh_z = False  # True: step 5 draws its own z instead of step 4's
    config.train.information_weight = 1.0  # lambda of eq. (3)
    config.train.aux_sees_label = True  # as printed; False: AUX reads the rows alone
    config.train.matmul_precision = "float32"  # or "tensorfloat32", "bfloat16" (GPU, TPU)
    config.train.checkpoint_seconds = 60.0
    # How lanes run: vmap, sharded (over all devices), processes (CPU), sequential; auto chooses.
    # The results are the same up to rounding; aegan/training/strategy.py says how it chooses.
    config.train.strategy = "auto"
    # Rates and momenta of section 4.3.
    config.train.steps = ConfigDict()
    for step, rate, momentum in (
        ("autoencoder", 0.001, 0.9),  # step 1
        ("code_discriminator", 0.1, 0.0),  # step 2
        ("encoder", 0.1, 0.0),  # step 3
        ("feature_discriminator", 0.0001, 0.0),  # step 4
        ("generator", 0.001, 0.0),  # step 5
    ):
        config.train.steps[step] = ConfigDict({"rate": rate, "momentum": momentum})

    config.sample = ConfigDict()
    config.sample.rows = 6000  # synthetic rows per lane, classes drawn uniformly (5.1)

    config.metrics = ConfigDict()
    config.metrics.kernel = "linear"  # or "rbf"
    config.metrics.c_grid = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    config.metrics.inner_folds = 3
    config.metrics.tie = 0.01  # the smallest C whose inner UAR is within this of the best
    config.metrics.max_search_rows = 10_000
    config.metrics.fid_nets = 3  # nets, each with its own seed, that the FID is averaged over
    if variant == "quick":
        quick(config)
    return config


def quick(config: ConfigDict) -> None:
    """The same code path in about a minute: few rows, few updates; the figures mean nothing."""
    config.data.simulated_rows = 600
    config.train.updates = 300
    config.sample.rows = 600
    config.metrics.c_grid = (1e-4, 1e-3, 1e-2)
    config.metrics.fid_nets = 1
