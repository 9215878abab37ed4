"""MAVOS: long-video object segmentation with a memory of two frames."""

from pathlib import Path

# In a checkout the packages that MAVOS is made of lie beside this folder, not in it; in an
# installed wheel they lie here.
if not Path(__file__).with_name("networks").is_dir():
    __path__.append(str(Path(__file__).resolve().parents[1]))
