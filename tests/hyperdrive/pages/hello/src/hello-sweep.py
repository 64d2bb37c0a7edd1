"""The script of hello-sweep.yml: it logs what it is given as parameters, and a metric, by MLflow."""

import argparse
from random import random

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--A", type=float, default=0.5)
parser.add_argument("--B", type=str, default="hello world")
parser.add_argument("--C", type=float, default=1.0)
args = parser.parse_args()

for name in ("A", "B", "C"):
    mlflow.log_param(name, getattr(args, name))
mlflow.log_metric("random_metric", random())
