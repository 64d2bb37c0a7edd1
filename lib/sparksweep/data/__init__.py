"""Bytes -> DataFrames: the schemas of the tables, their files, and the devices in file order."""

from __future__ import annotations

from sparksweep.data.arrow import from_pandas, to_pandas
from sparksweep.data.devices import Devices, read_devices, read_test_ids
from sparksweep.data.files import find_tables
from sparksweep.data.ingest import Malformed, read_tables
from sparksweep.data.own import Examples, read_examples
from sparksweep.data.parts import Summary
from sparksweep.data.schemas import SCHEMAS
from sparksweep.data.tables import Tables

__all__ = [
    "SCHEMAS",
    "Devices",
    "Examples",
    "Malformed",
    "Summary",
    "Tables",
    "find_tables",
    "from_pandas",
    "read_devices",
    "read_examples",
    "read_tables",
    "read_test_ids",
    "to_pandas",
]
