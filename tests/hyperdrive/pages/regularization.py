"""The training script of the Learn module: a logistic regression, tuned by --regularization.

Mended: os is imported; float stands for np.float, which NumPy has no more.
"""

# Written as the pages write it.
# ruff: noqa: PTH103

import argparse
import os

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sparksweep.hyperdrive import Run

parser = argparse.ArgumentParser()
parser.add_argument("--regularization", type=float, dest="reg_rate", default=0.01)
args = parser.parse_args()
reg = args.reg_rate

run = Run.get_context()
data = run.input_datasets["training_data"].to_pandas_dataframe()
X = data[["feature1", "feature2", "feature3", "feature4"]].values
y = data["label"].values
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.30, random_state=0)

run.log("Regularization Rate", float(reg))
model = LogisticRegression(C=1 / reg, solver="liblinear").fit(X_train, y_train)
y_hat = model.predict(X_test)
acc = np.average(y_hat == y_test)
run.log("Accuracy", float(acc))

os.makedirs("outputs", exist_ok=True)
joblib.dump(value=model, filename="outputs/model.pkl")
run.complete()
