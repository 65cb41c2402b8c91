"""Package of aegan; tool settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

init = Path(__file__).parent / "aegan" / "__init__.py"
version = next(
    line.split('"')[1] for line in init.read_text().splitlines() if line.startswith("__version__")
)

setup(
    name="aegan",
    version=version,
    description="Class-conditional generators of emotional-speech feature vectors, in JAX",
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    # The programs and configs lie beside the package in a clone and inside it in a wheel.
    packages=[*find_packages(include=["aegan", "aegan.*"]), "aegan.configs", "aegan.experiments"],
    package_dir={"aegan.configs": "configs", "aegan.experiments": "experiments"},
    entry_points={"console_scripts": ["aegan = aegan.experiments.__main__:main"]},
    package_data={
        "aegan.data": ["structure.json"],
        "aegan.report": ["templates/*"],
        "aegan.study": ["words.txt", "*/words.txt"],
    },
    install_requires=[
        "absl-py>=2.1",
        "flax>=0.12",
        "imbalanced-learn>=0.14",
        "jax>=0.10,<0.13",
        "jinja2>=3.1",
        "joblib>=1.4",
        "matplotlib>=3.9",
        "ml-collections>=1.0",
        "numpy>=2.0",
        "optax>=0.2.5",
        "orbax-checkpoint>=0.11.30",
        "pandas>=2.2",
        "pyarrow>=17",
        "scikit-learn>=1.6",
        "scipy>=1.14",
        "threadpoolctl>=3.5",
        "tqdm>=4.66",
    ],
    extras_require={
        "audio": ["opensmile>=2.6"],
        "bench": ["torch==2.13.0"],  # the CPU build will do: see aegan/bench/README.md
        "cluster": ["distributed>=2025.1"],
        "peers": ["ForestDiffusion>=1.0.6"],
        "test": [
            "distributed>=2025.1",
            "hypothesis>=6.100",
            "liac-arff>=2.5",
            "prdc>=0.2",
            "pytest>=8",
            "pytest-xdist>=3.7",
            "ruff==0.17.6",
            "setuptools>=77",  # builds the wheel that is tested
            "tensorboardX>=2.6.2",
        ],
        "tensorboard": ["tensorboardX>=2.6.2"],
        "tsne": ["openTSNE>=1.0"],
        "cuda": ["jax[cuda13]"],
        "tpu": ["jax[tpu]"],
    },
)
