"""What a new sweep's sampler is told of earlier ones."""

from __future__ import annotations

import json

from sparksweep.hyperdrive import HyperDriveRun
from sparksweep.hyperdrive.warm_start import known_settings


def test_a_setting_that_the_history_has_cut_is_left_out(monkeypatch):
    whole = json.dumps({"text": "x" * 9000})
    rows = [
        {"run_id": "sweep_0", "hyperparameters": f"{whole[:7991]}\u202612345678", "best_primary_metric": 2.0},
        {"run_id": "sweep_1", "hyperparameters": '{"text": "y"}', "best_primary_metric": 1.0},
    ]
    monkeypatch.setattr(HyperDriveRun, "get_children_sorted_by_primary_metric", lambda *_, **__: rows)
    assert known_settings(HyperDriveRun(None, "sweep"), None) == [({"text": "y"}, 1.0)]
