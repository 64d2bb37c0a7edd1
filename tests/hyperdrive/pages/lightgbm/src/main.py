"""The script of job-sweep.yml: LightGBM on the irises, whose metrics MLflow logs by itself."""

import argparse

import lightgbm
import mlflow
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder

parser = argparse.ArgumentParser()
parser.add_argument("--iris-csv", type=str)
parser.add_argument("--learning-rate", type=float, default=0.1)
parser.add_argument("--boosting", type=str, default="gbdt")
args = parser.parse_args()

mlflow.autolog(log_models=False)  # to log models is what the other example does, and takes its time
irises = pd.read_csv(args.iris_csv)
y = LabelEncoder().fit_transform(irises["species"])
X_train, X_test, y_train, y_test = train_test_split(
    irises.drop(columns="species"), y, test_size=0.2, random_state=42
)
parameters = {
    "objective": "multiclass",
    "num_class": 3,
    "boosting": args.boosting,
    "learning_rate": args.learning_rate,
    "metric": "multi_logloss",
    "num_threads": 1,
    "seed": 42,
    "verbose": -1,
}
lightgbm.train(
    parameters,
    lightgbm.Dataset(X_train, label=y_train),
    num_boost_round=16,
    valid_sets=[lightgbm.Dataset(X_test, label=y_test)],
    valid_names=["test"],
)
