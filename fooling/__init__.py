"""Fool a neural network: climb the gradient of a classifier that is held still, one image at a time.

A thousand noise images, each changed until the network is 99 % sure of a 3:

    from fooling import Logit, Pixels, ascend, trained_classifier

    classifier = trained_classifier()
    result = ascend(classifier, Logit(3), Pixels.noise(1000, seed=0), until=0.99)
    result.images, result.confidences, result.steps
"""

import importlib

_PUBLIC = {
    "ascent": ["Ascent", "Trace", "ascend"],
    "attacks": ["Adaptive", "Best", "Bounds", "Climb", "Transfer"],
    "audit": ["AuditConfig"],
    "battery": ["Found", "run_battery"],
    "callbacks": ["ConfusedImages", "to_folder", "to_tensorboard", "to_wandb"],
    "classifiers": ["Adapted", "Classifier", "LeNet", "SoftmaxRegression", "frozen", "load_classifier"],
    "criteria": ["Confident", "Criterion", "Misclassified"],
    "data": ["Images", "load", "to_float"],
    "errors": ["MissingFile", "UserError"],
    "evolution": ["Evolution", "GaussianMutation", "PolynomialMutation", "evolve"],
    "examination": ["Effort", "Examination", "examine"],
    "explain": [
        "Confused", "Filters", "Gradients", "Mistakes", "Nudges", "confused", "filters", "input_gradients", "mistakes",
        "nudge", "predict", "untrained", "weight_maps",
    ],
    "figures": [
        "draw_confused", "draw_filters", "draw_gallery", "draw_gradients", "draw_mistakes", "draw_nudges",
        "draw_probabilities", "draw_strip", "draw_weight_maps", "film",
    ],
    "fresh_attack": ["AttackConfig", "attack_afresh"],
    "grids": ["grid", "to_uint8", "write_gif", "write_png"],
    "judge": ["recognised", "trained_judge"],
    "lessons": ["ClimbConfig", "HardenConfig", "NegativesConfig"],
    "negatives": ["Generated", "Mix", "Noise", "Others", "Persistent", "Pool", "Source", "Step", "Worst"],
    "objectives": [
        "Channel", "Confusion", "Distance", "L2", "LogProbability", "Logit", "Margin", "Objective", "Probability",
        "Reject", "TotalVariation", "Unit",
    ],
    "outputs": ["Outputs", "watched"],
    "parametrizations": ["CPPN", "Fourier", "Latent", "Parametrization", "Pixels"],
    "pretrained": ["Pretrained"],
    "train": ["TrainConfig", "accuracy", "trained_classifier"],
    "walkout": ["WalkOut", "walk_out"],
    "yardsticks": ["auroc", "calibration_error", "false_positive_rate", "scale_to_certainty"],
}  # fmt: skip
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str):  # PEP 562: importing the package is cheap, torch is loaded with the first name asked for
    if name not in _HOME:
        raise AttributeError(f"module 'fooling' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fooling.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
