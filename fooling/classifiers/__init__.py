"""The networks that a saved classifier's config.json may name: the entry point that pyproject.toml gives out."""

from fooling.classifiers.judge import JudgeNet
from fooling.classifiers.jury import JurorNet
from fooling.classifiers.networks import Classifier, LeNet, SoftmaxRegression, WideLeNet

__all__ = ["Classifier", "JudgeNet", "JurorNet", "LeNet", "SoftmaxRegression", "WideLeNet"]
