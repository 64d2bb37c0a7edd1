"""In the place of keras_mnist.py, whose library and images are not to be had: the page sweeps it, but does not show it."""

# Written as the pages write it.
# ruff: noqa: PTH208

import argparse
import os

from sparksweep.hyperdrive import Run

parser = argparse.ArgumentParser()
parser.add_argument("--data-folder", type=str)
parser.add_argument("--batch-size", type=int)
parser.add_argument("--first-layer-neurons", type=int)
parser.add_argument("--second-layer-neurons", type=int)
parser.add_argument("--learning-rate", type=float)
args = parser.parse_args()

run = Run.get_context()
run.log("files", len(os.listdir(args.data_folder)))
run.log("Accuracy", 1 - args.learning_rate)
