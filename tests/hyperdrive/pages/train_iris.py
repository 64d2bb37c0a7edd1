"""The iris notebook's training script, its support vector machine replaced by a table of what it reaches.

Mended: str and float stand for np.string and np.float, which NumPy does not have.
"""

# Written as the pages write it.
# ruff: noqa: PTH103, PTH123

import argparse
import os

from sparksweep.hyperdrive import Run

run = Run.get_context()

parser = argparse.ArgumentParser()
parser.add_argument("--kernel", type=str, default="linear", help="Kernel type to be used in the algorithm")
parser.add_argument("--penalty", type=float, default=1.0, help="Penalty parameter of the error term")
args = parser.parse_args()

run.log("Kernel type", str(args.kernel))
run.log("Penalty", float(args.penalty))
accuracy = {"linear": 0.9, "rbf": 0.8, "poly": 0.7, "sigmoid": 0.2}[args.kernel] + args.penalty / 100
run.log("Accuracy", float(accuracy))

os.makedirs("outputs", exist_ok=True)
with open("outputs/model.joblib", "w") as file:
    file.write(args.kernel)
