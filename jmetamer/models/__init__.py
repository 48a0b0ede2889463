"""Networks that return every activation by name, their training and their storage."""

from jmetamer.models.activations import ACTIVATIONS
from jmetamer.models.architectures import MODELS
from jmetamer.models.convolution import Convolution
from jmetamer.models.gat import GAT
from jmetamer.models.gcn import GCN
from jmetamer.models.gin import GIN
from jmetamer.models.graphsage import GraphSAGE
from jmetamer.models.network import Network
from jmetamer.models.perturbation import (
    PERTURBATIONS,
    AdversarialPerturbation,
    Perturbation,
    RandomPerturbation,
)
from jmetamer.models.protocol import FirstLayer, LayerStructure, Model, Params
from jmetamer.models.storage import load_model, model_folder, save_model
from jmetamer.models.trained_model import TrainedModel
from jmetamer.models.training import TrainSettings, default_settings, train

__all__ = [
    "ACTIVATIONS",
    "GAT",
    "GCN",
    "GIN",
    "MODELS",
    "PERTURBATIONS",
    "AdversarialPerturbation",
    "Convolution",
    "FirstLayer",
    "GraphSAGE",
    "LayerStructure",
    "Model",
    "Network",
    "Params",
    "Perturbation",
    "RandomPerturbation",
    "TrainSettings",
    "TrainedModel",
    "default_settings",
    "load_model",
    "model_folder",
    "save_model",
    "train",
]
