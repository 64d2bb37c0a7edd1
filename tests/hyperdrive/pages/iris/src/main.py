"""The script of job-sweep.yml: a support vector machine on the irises, whose metrics MLflow logs by itself."""

import argparse

import mlflow
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

parser = argparse.ArgumentParser()
parser.add_argument("--iris-csv", type=str)
parser.add_argument("--C", type=float, default=1.0)
parser.add_argument("--kernel", type=str, default="rbf")
parser.add_argument("--coef0", type=float, default=0)
args = parser.parse_args()

mlflow.autolog()
irises = pd.read_csv(args.iris_csv)
X_train, _, y_train, _ = train_test_split(
    irises.drop(columns="species"), irises["species"], test_size=0.2, random_state=42
)
SVC(C=args.C, kernel=args.kernel, coef0=args.coef0).fit(X_train, y_train)
