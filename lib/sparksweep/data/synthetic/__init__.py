"""A dataset in the shape of the TalkingData competition, at any scale, without Spark.

The counts, vocabularies and formats are those of the published files (:class:`Shape`). What an age and a
gender have to do with phones, apps and hours is made up: each of the twelve groups prefers some brands,
models, topics of apps, single apps and hours, at strengths that bring an XGBoost model at scale 1 to the
log loss that the competition's models had.
"""

from __future__ import annotations

from sparksweep.data.synthetic.files import WrittenTable
from sparksweep.data.synthetic.shape import LARGEST_SCALE, SMALLEST_SCALE, Shape
from sparksweep.data.synthetic.write import write_dataset

__all__ = ["LARGEST_SCALE", "SMALLEST_SCALE", "Shape", "WrittenTable", "write_dataset"]
