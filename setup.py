"""Installs the packages of MAVOS; ``pip install -e .`` for work on the code."""

from setuptools import find_packages, setup

# by name, so that datasets/ and pretrain_models/ are never taken for packages
INSIDE = ("configs", "networks", "dataloaders", "tools", "utils")
APP = ["fastapi", "uvicorn", "pycocotools"]  # the page: tools/app.py


def _below(top: str) -> list[str]:
    return [f"{top}.{name}" for name in find_packages(top)]


setup(
    name="mavos",
    version="0.2.0",
    description="Semi-supervised video object segmentation with a constant-size long-term memory",
    license="BSD-3-Clause",
    python_requires=">=3.10",
    # one importable name: the folders beside mavos/ are installed as its sub-packages
    packages=[
        *find_packages(include=["mavos*"]),
        *(f"mavos.{name}" for top in INSIDE for name in [top, *_below(top)]),
    ],
    package_dir={"mavos": "mavos"} | {f"mavos.{name}": name for name in INSIDE},
    package_data={"mavos": ["weights/*"], "mavos.webapp": ["static/*"]},
    entry_points={"console_scripts": ["mavos = mavos.__main__:main"]},
    install_requires=[
        "torch>=2.6",
        "torchvision>=0.21",
        "opencv-python",
        "av>=17",
        "Pillow>=10.1",
        "numpy",
        "psutil",
        "safetensors",
        "filelock",
        "safetensors",
        "tensorboard",
        "tqdm",
    ],
    extras_require={
        "test": ["pytest", "pytest-xdist", "ruff", "pillow-heif", *APP, "httpx2", "playwright"],
        "app": APP,
        "heic": ["pillow-heif"],  # pictures of iPhones
        "plots": ["matplotlib"],  # curves
        "download": ["gdown>=6.5"],  # files of Google Drive
        # its build imports the torch you have: pip install --no-build-isolation -e .[correlation]
        "correlation": ["spatial-correlation-sampler"],
    },
)
