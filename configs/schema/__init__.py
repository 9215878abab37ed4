"""What a run is made of: frozen, typed, checked. Building a config touches no file.

One file per section. The section ``model`` has a class for each method: fields that all methods
have are in ``model.py``, those of one method beside it.
"""

from dataclasses import dataclass, field

from mavos.configs.schema.data import DataConfig
from mavos.configs.schema.eval import EvalConfig
from mavos.configs.schema.long_short_term import AotConfig, LongShortTermConfig, MavosConfig
from mavos.configs.schema.model import ModelConfig
from mavos.configs.schema.train import TrainConfig

__all__ = [
    "AotConfig",
    "Config",
    "DataConfig",
    "EvalConfig",
    "LongShortTermConfig",
    "MavosConfig",
    "ModelConfig",
    "TrainConfig",
]


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole run."""

    name: str  # key in ``mavos.configs.models.MODELS``
    stage: str  # key in ``mavos.configs.stages.STAGES``
    exp_name: str = "default"
    model: ModelConfig
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)

    @property
    def starts_from_weights(self) -> bool:
        """Whether training starts from a stage, a file or an encoder's ImageNet weights."""
        train = self.train
        return bool(train.start_path or train.start != "encoder" or self.model.encoder_weights)
