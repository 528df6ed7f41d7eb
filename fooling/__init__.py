"""Fool a neural network: climb the gradient of a classifier that is held still, one image at a time.

A thousand noise images, each changed until the network is 99 % sure of a 3:

    from fooling import Logit, Pixels, ascend, trained_classifier

    classifier = trained_classifier()
    result = ascend(classifier, Logit(3), Pixels.noise(1000, seed=0), until=0.99)
    result.images, result.confidences, result.steps
"""

import importlib
from typing import TYPE_CHECKING, Any

# What __getattr__ gives out below, for editors and type checkers, which do not run it.
# fmt: off
# isort: off
if TYPE_CHECKING:
    __version__: str

    from fooling.audit.attacks import (
        Adaptive as Adaptive, Best as Best, Bounds as Bounds, Climb as Climb, Transfer as Transfer,
    )
    from fooling.audit.audit import AuditConfig as AuditConfig
    from fooling.audit.battery import Found as Found, run_battery as run_battery
    from fooling.audit.examine import Effort as Effort, Examination as Examination, examine as examine
    from fooling.audit.scores import (
        auroc as auroc, calibration_error as calibration_error, false_positive_rate as false_positive_rate,
        scale_to_certainty as scale_to_certainty,
    )
    from fooling.audit.walkout import WalkOut as WalkOut, walk_out as walk_out
    from fooling.classifiers.activations import Outputs as Outputs, watched as watched
    from fooling.classifiers.frozen import frozen as frozen, predict as predict
    from fooling.classifiers.judge import recognised as recognised, trained_judge as trained_judge
    from fooling.classifiers.jury import Jury as Jury, trained_jury as trained_jury
    from fooling.classifiers.load import (
        Adapted as Adapted, load_classifier as load_classifier, trained_classifier as trained_classifier,
    )
    from fooling.classifiers.networks import (
        Classifier as Classifier, LeNet as LeNet, SoftmaxRegression as SoftmaxRegression,
        WideLeNet as WideLeNet,
    )
    from fooling.classifiers.train import TrainConfig as TrainConfig, accuracy as accuracy
    from fooling.climb.ascent import Ascent as Ascent, Trace as Trace, ascend as ascend
    from fooling.climb.criteria import Confident as Confident, Criterion as Criterion, Misclassified as Misclassified
    from fooling.climb.evolution import (
        Evolution as Evolution, GaussianMutation as GaussianMutation, PolynomialMutation as PolynomialMutation,
        evolve as evolve,
    )
    from fooling.climb.objectives import (
        Channel as Channel, Confusion as Confusion, Distance as Distance, L2 as L2, LogProbability as LogProbability,
        Logit as Logit, Margin as Margin, Objective as Objective, Probability as Probability, Reject as Reject,
        TotalVariation as TotalVariation, Unit as Unit,
    )
    from fooling.climb.parametrizations import (
        CPPN as CPPN, Fourier as Fourier, Latent as Latent, Parametrization as Parametrization, Pixels as Pixels,
    )
    from fooling.climb.restarts import ascend_from as ascend_from
    from fooling.climb.second_opinion import AskedIf as AskedIf, AskedOf as AskedOf
    from fooling.climb.through import Shell as Shell, load_generator as load_generator
    from fooling.data.load import DataConfig as DataConfig, load as load
    from fooling.errors import MissingFile as MissingFile, UserError as UserError
    from fooling.files import write_gif as write_gif, write_png as write_png
    from fooling.images import Images as Images, to_float as to_float, to_uint8 as to_uint8
    from fooling.pretrained import Pretrained as Pretrained
    from fooling.show.callbacks import (
        ConfusedImages as ConfusedImages, to_folder as to_folder, to_tensorboard as to_tensorboard,
        to_wandb as to_wandb,
    )
    from fooling.show.explanations import (
        Confused as Confused, Filters as Filters, Gradients as Gradients, Mistakes as Mistakes, Nudges as Nudges,
        confused as confused, filters as filters, input_gradients as input_gradients, mistakes as mistakes,
        nudge as nudge, untrained as untrained, weight_maps as weight_maps,
    )
    from fooling.show.figures import (
        draw_confused as draw_confused, draw_filters as draw_filters, draw_gallery as draw_gallery,
        draw_gradients as draw_gradients, draw_mistakes as draw_mistakes, draw_nudges as draw_nudges,
        draw_probabilities as draw_probabilities, draw_strip as draw_strip, draw_weight_maps as draw_weight_maps,
        film as film,
    )
    from fooling.show.grids import grid as grid
    from fooling.teach.fresh_attack import AttackConfig as AttackConfig, attack_afresh as attack_afresh
    from fooling.teach.harden import HardenConfig as HardenConfig
    from fooling.teach.negatives import ClimbConfig as ClimbConfig, Mix as Mix, NegativesConfig as NegativesConfig
    from fooling.teach.sources import (
        Generated as Generated, Noise as Noise, Others as Others, Persistent as Persistent, Pool as Pool,
        Source as Source, Step as Step, Worst as Worst,
    )
# isort: on
# fmt: on

_PUBLIC = {
    "audit.attacks": ["Adaptive", "Best", "Bounds", "Climb", "Transfer"],
    "audit.audit": ["AuditConfig"],
    "audit.battery": ["Found", "run_battery"],
    "audit.examine": ["Effort", "Examination", "examine"],
    "audit.scores": ["auroc", "calibration_error", "false_positive_rate", "scale_to_certainty"],
    "audit.walkout": ["WalkOut", "walk_out"],
    "classifiers.activations": ["Outputs", "watched"],
    "classifiers.frozen": ["frozen", "predict"],
    "classifiers.judge": ["recognised", "trained_judge"],
    "classifiers.jury": ["Jury", "trained_jury"],
    "classifiers.load": ["Adapted", "load_classifier", "trained_classifier"],
    "classifiers.networks": ["Classifier", "LeNet", "SoftmaxRegression", "WideLeNet"],
    "classifiers.train": ["TrainConfig", "accuracy"],
    "climb.ascent": ["Ascent", "Trace", "ascend"],
    "climb.criteria": ["Confident", "Criterion", "Misclassified"],
    "climb.evolution": ["Evolution", "GaussianMutation", "PolynomialMutation", "evolve"],
    "climb.objectives": [
        "Channel", "Confusion", "Distance", "L2", "LogProbability", "Logit", "Margin", "Objective", "Probability",
        "Reject", "TotalVariation", "Unit",
    ],
    "climb.parametrizations": ["CPPN", "Fourier", "Latent", "Parametrization", "Pixels"],
    "climb.restarts": ["ascend_from"],
    "climb.second_opinion": ["AskedIf", "AskedOf"],
    "climb.through": ["Shell", "load_generator"],
    "data.load": ["DataConfig", "load"],
    "errors": ["MissingFile", "UserError"],
    "files": ["write_gif", "write_png"],
    "images": ["Images", "to_float", "to_uint8"],
    "pretrained": ["Pretrained"],
    "show.callbacks": ["ConfusedImages", "to_folder", "to_tensorboard", "to_wandb"],
    "show.explanations": [
        "Confused", "Filters", "Gradients", "Mistakes", "Nudges", "confused", "filters", "input_gradients", "mistakes",
        "nudge", "untrained", "weight_maps",
    ],
    "show.figures": [
        "draw_confused", "draw_filters", "draw_gallery", "draw_gradients", "draw_mistakes", "draw_nudges",
        "draw_probabilities", "draw_strip", "draw_weight_maps", "film",
    ],
    "show.grids": ["grid"],
    "teach.fresh_attack": ["AttackConfig", "attack_afresh"],
    "teach.harden": ["HardenConfig"],
    "teach.negatives": ["ClimbConfig", "Mix", "NegativesConfig"],
    "teach.sources": ["Generated", "Noise", "Others", "Persistent", "Pool", "Source", "Step", "Worst"],
}  # fmt: skip
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_HOME)


if not TYPE_CHECKING:  # which would take every misspelt name for Any

    def __getattr__(
        name: str,
    ) -> Any:  # PEP 562: importing the package is cheap, torch comes with the first name asked for
        if name == "__version__":
            return _version()
        if name not in _HOME:
            raise AttributeError(f"module 'fooling' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"fooling.{_HOME[name]}"), name)
        globals()[name] = value
        return value

    def _version() -> str:
        metadata = importlib.import_module("importlib.metadata")
        try:
            return metadata.version("fooling-gan")
        except metadata.PackageNotFoundError:  # a clone that runs without being installed
            return "unknown"


def __dir__() -> list[str]:
    return __all__
