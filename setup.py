"""Installs the packages of MAVOS; ``pip install -e .`` for work on the code."""

from setuptools import find_packages, setup

APP = ["fastapi", "uvicorn", "pycocotools"]  # the page: tools/app.py

setup(
    name="mavos",
    version="0.1.0",
    description="Semi-supervised video object segmentation with a constant-size long-term memory",
    license="BSD-3-Clause",
    python_requires=">=3.10",
    # by name, so that datasets/ and pretrain_models/ are never taken for packages
    packages=find_packages(
        include=["configs*", "networks*", "dataloaders*", "tools*", "utils*"],
    ),
    package_data={"tools.webapp": ["static/*"]},
    install_requires=[
        "torch>=2.6",
        "torchvision>=0.21",
        "opencv-python",
        "av",
        "Pillow>=10.1",
        "numpy",
        "tensorboard",
        "tqdm",
    ],
    extras_require={
        "test": ["pytest", "pytest-xdist", "ruff", *APP, "httpx2", "playwright"],
        "app": APP,
        "demo": ["matplotlib"],  # curves
        "download": ["gdown>=6.5"],  # files of Google Drive
        # its build imports the torch you have: pip install --no-build-isolation -e .[correlation]
        "correlation": ["spatial-correlation-sampler"],
    },
)
