"""The published weights: what each file is called here, and where its authors keep it.

Names are those that ``mavos/run/find_checkpoint.py`` looks for. The ids are those of the model zoos
of github.com/Amshaker/MAVOS and github.com/yoxu515/aot-benchmark.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import urlsplit

from mavos.configs.models import MODELS
from mavos.utils.errors import unknown_name


@dataclass(frozen=True)
class Entry:
    """One file."""

    name: str  # of the file here, without .pth
    group: str
    model: str  # a key of MODELS that it fits
    holds: Literal["network", "start", "encoder"]  # "start": of stage pre, has no MCA
    use: str
    link: str  # the file itself, or its page on Google Drive
    drive_id: str = ""

    @property
    def file(self) -> str:
        return f"{self.name}.pth"

    @property
    def host(self) -> str:
        return urlsplit(self.link).netloc

    @property
    def hash_prefix(self) -> str:
        """How its SHA-256 begins, where the name says so, as torchvision's do; else ""."""
        return self.name.partition("-")[2]


# Ids on Google Drive: stage pre, LVOS, Long-Time Video, DAVIS.
_MAVOS = {
    "mavos": (
        "1_vBL4KJlmBy0oBE4YFDOvsYL1ZtpEL32",
        "1KhD6e-590vlAUitIXWFuhOv1typfTB-N",
        "1wIgUZ36BVWzUL5nmOifct7U42I2nS8mT",
        "1jEh1qDacEZSnPyZTL913hW3GUHKhqaOn",
    ),
    "r50_mavos": (
        "1sTRQ1g0WCpqVCdavv7uJiZNkXunBt3-R",
        "1Hp-j0hNWesSBle6HQxm6ghJE9b1THn1I",
        "1AdyEiwjc6l5OrK9PBViFwcJs00UdQe5U",
        "1pfKbm--DdHPYXJfZwE7LKaaIPzjRDn2K",
    ),
    "swinb_mavos": (
        "16BZEE53no8CxT-pPLDC2q1d6Xlg8mWPU",
        "1HbRHeChnQWK73OYaYov-bchfwbm4lRyf",
        "1QYxyHa_GFrW4IT44qBv8vqEHpDAj4gVv",
        "1KSbKmKZg66u6edSqLVZyKzlanyVOhAvt",
    ),
}
# The same: stage pre, stage pre_ytb_dav.
_AOT = {
    "aott": ("1_513h8Hok9ySQPMs_dHgX5sPexUhyCmy", "1owPmwV4owd_ll6GuilzklqTyAd0ZvbCu"),
    "aots": ("1QUP0-VED-lOF1oX_ppYWnXyBjvUzJJB7", "1beU5E6Mdnr_pPrgjWvdWurKAIwJSz1xf"),
    "aotb": ("11Bx8n_INAha1IdpHjueGpf7BrKmCJDvK", "1hH-GOn4GAxHkV8ARcQzsUy8Ax6ndot-A"),
    "aotl": ("1WL6QCsYeT7Bt-Gain9ZIrNNXpR2Hgh29", "1L1N2hkSPqrwGgnW9GyFHuG59_EYYfTG4"),
    "r50_aotl": ("1hS4JIvOXeqvbs-CokwV6PwZV-EvzE6x8", "1qJDYn3Ibpquu4ffYoQmVjg1YCbr2JQep"),
    "swinb_aotl": ("1LlhKQiXD8JyZGGs3hZiNzcaCLqyvL9tj", "192jCGQZdnuTsvX-CVra-KVZl2q1ZR0vW"),
}
_DEAOT = {
    "deaott": ("11C1ZBoFpL3ztKtINS8qqwPSldfYXexFK", "1ThWIZQS03cYWx1EKNN8MIMnJS5eRowzr"),
    "deaots": ("1uUidrWVoaP9A5B5-EzQLbielUnRLRF3j", "1YwIAV5tBtn5spSFxKLBQBEQGwPHyQlHi"),
    "deaotb": ("1bEQr6vIgQMVITrSOtxWTMgycKpS0cor9", "1BHxsonnvJXylqHlZ1zJHHc-ymKyq-CFf"),
    "deaotl": ("1_vBL4KJlmBy0oBE4YFDOvsYL1ZtpEL32", "18elNz_wi9JyVBcIUYKhRdL08MA-FqHD5"),
    "r50_deaotl": ("1sTRQ1g0WCpqVCdavv7uJiZNkXunBt3-R", "1QoChMkTVxdYZ_eBlZhK2acq9KMQZccPJ"),
    "swinb_deaotl": ("16BZEE53no8CxT-pPLDC2q1d6Xlg8mWPU", "1g4E-F0RPOx9Nd6J7tU9AE1TjsouL4oZq"),
}
# A model with the encoder, what it is, where.
_ENCODERS = (
    ("mavos", "MobileNetV2", "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth"),
    ("r50_mavos", "ResNet-50", "https://download.pytorch.org/models/resnet50-0676ba61.pth"),
    (
        "swinb_mavos",
        "Swin-Base",
        "https://github.com/SwinTransformer/storage/releases/download/v1.0.0/"
        "swin_base_patch4_window7_224_22k.pth",
    ),
)

_TRAIN = "to train from, instead of stage pre"


def _of_drive(name: str, group: str, model: str, use: str, drive_id: str) -> Entry:
    link = f"https://drive.google.com/file/d/{drive_id}/view"
    holds = "start" if use == _TRAIN else "network"
    return Entry(name, group, model, holds, use, link, drive_id)


def _list() -> Iterable[Entry]:
    for model, (pre, lvos, long_video, davis) in _MAVOS.items():
        yield _of_drive(f"{MODELS[model].title}_PRE", "mavos", model, _TRAIN, pre)
        yield _of_drive(f"{model}_lvos", "mavos", model, "LVOS", lvos)
        yield _of_drive(f"{model}_longvideo", "mavos", model, "Long-Time Video", long_video)
        yield _of_drive(f"{model}_davis2017", "mavos", model, "DAVIS 2017; own videos", davis)
    for group, models in (("aot", _AOT), ("deaot", _DEAOT)):
        for model, (pre, main) in models.items():
            title = MODELS[model].title
            yield _of_drive(f"{title}_PRE", group, model, _TRAIN, pre)
            yield _of_drive(
                f"{title}_PRE_YTB_DAV",
                group,
                model,
                "every dataset, with --stage pre_ytb_dav",
                main,
            )
    for model, encoder, link in _ENCODERS:
        name = link.rpartition("/")[2].removesuffix(".pth")
        use = f"ImageNet weights of {encoder}, to train stage pre"
        yield Entry(name, "encoders", model, "encoder", use, link)


ZOO = {entry.name: entry for entry in _list()}
GROUPS = tuple(dict.fromkeys(entry.group for entry in ZOO.values()))


def select(words: Iterable[str]) -> list[Entry]:
    """The entries that ``words`` name, each once, in the order asked for.

    A word is, case aside, a name, a group, ``all``, a model (its networks) or a pattern with ``*``.
    ``mavos`` is the group; ``mavos_*`` are the files of that model. Raises UserError.
    """
    found = {}
    for word in words:
        entries = [entry for entry in ZOO.values() if _is_meant(entry, word.lower())]
        if not entries:
            models = dict.fromkeys(entry.model for entry in ZOO.values())
            known = dict.fromkeys([*GROUPS, "all", *models, *(name.lower() for name in ZOO)])
            raise unknown_name("weights", word, known, "--list shows all names")
        found |= {entry.name: entry for entry in entries}
    return list(found.values())


def _is_meant(entry: Entry, word: str) -> bool:
    if word in (*GROUPS, "all"):
        return word in (entry.group, "all")
    if word == entry.model:
        return entry.holds != "encoder"
    return fnmatchcase(entry.name.lower(), word.removesuffix(".pth"))
