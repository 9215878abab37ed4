"""The networks of the MAVOS paper's rows, with the weights that each has on each test set."""

from mavos.configs.models import MODELS
from mavos.paper.schema import Network

SOURCE = "arXiv 2403.17937v1"


def mavos(model: str) -> Network:
    """As released: another file for each benchmark."""
    files = {"DAVIS": "davis2017", "LTV": "longvideo", "LVOS": "lvos"}
    return Network(model, weights={on: f"{model}_{file}.pth" for on, file in files.items()})


def baseline(model: str, *overrides: str) -> Network:
    """AOT or DeAOT with the one file that its authors released."""
    file = f"{MODELS[model].title}_PRE_YTB_DAV.pth"
    return Network(model, overrides, weights=dict.fromkeys(("DAVIS", "LTV", "LVOS"), file))


def to_train(model: str, experiment: str, *overrides: str) -> Network:
    """A variant that nobody released; its weights have to be trained, stage by stage."""
    return Network(model, overrides, experiment=experiment)


MAVOS, R50_MAVOS, SWINB_MAVOS = (mavos(name) for name in ("mavos", "r50_mavos", "swinb_mavos"))
AOT_B, AOT_L, DEAOT_L = (baseline(name) for name in ("aotb", "aotl", "deaotl"))

WHOSE_WEIGHTS = (
    "AOT and DeAOT run with the weights that their authors released, which have seen YouTube-VOS "
    "and DAVIS; with which weights the paper's figures of them were made it does not say."
)
