"""Azure ML's published logistic regression on handwritten digits, tuned by --regularization.

It runs alone as well: python train.py --regularization 0.1
What was changed: the import of Run; scikit-learn's own small digits in the place of the MNIST download; float
in the place of np.float, which NumPy has no more; passes of the solver that report how good it is so far.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import joblib
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

from sparksweep.hyperdrive import Run

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--regularization", type=float, dest="reg", default=0.01, help="regularization rate")
parser.add_argument("--epochs", type=int, default=20, help="passes over the data")
args = parser.parse_args()

run = Run.get_context()
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=42)
scaler = MinMaxScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

clf = SGDClassifier(loss="log_loss", alpha=args.reg, learning_rate="optimal", random_state=42)
run.log("regularization rate", float(args.reg))
for _ in range(args.epochs):
    clf.partial_fit(X_train, y_train, classes=range(10))
    run.log("Accuracy", float(clf.score(X_test, y_test)))

Path("outputs").mkdir(exist_ok=True)
joblib.dump(value=clf, filename="outputs/sklearn_digits_model.pkl")
