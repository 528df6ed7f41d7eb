"""Fool a neural network: climb the gradient of a classifier that is held still, one image at a time.

A thousand noise images, each changed until the network is 99 % sure of a 3:

    from fooling import Logit, Pixels, ascend, trained_classifier

    classifier = trained_classifier()
    result = ascend(classifier, Logit(3), Pixels.noise(1000, seed=0), until=0.99)
    result.images, result.confidences, result.steps
"""

import importlib
from typing import Any

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
    "classifiers.load": ["Adapted", "load_classifier", "trained_classifier"],
    "classifiers.networks": ["Classifier", "LeNet", "SoftmaxRegression"],
    "classifiers.train": ["TrainConfig", "accuracy"],
    "climb.ascent": ["Ascent", "Trace", "ascend"],
    "climb.criteria": ["Confident", "Criterion", "Misclassified"],
    "climb.evolution": ["Evolution", "GaussianMutation", "PolynomialMutation", "evolve"],
    "climb.objectives": [
        "Channel", "Confusion", "Distance", "L2", "LogProbability", "Logit", "Margin", "Objective", "Probability",
        "Reject", "TotalVariation", "Unit",
    ],
    "climb.parametrizations": ["CPPN", "Fourier", "Latent", "Parametrization", "Pixels"],
    "data.load": ["load"],
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
    "teach.negatives": [
        "ClimbConfig", "Generated", "Mix", "NegativesConfig", "Noise", "Others", "Persistent", "Pool", "Source", "Step",
        "Worst",
    ],
}  # fmt: skip
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:  # PEP 562: importing the package is cheap, torch comes with the first name asked for
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("fooling-gan")
    if name not in _HOME:
        raise AttributeError(f"module 'fooling' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fooling.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
