"""A sweep on Spark's driver: it starts child runs, hears them, decides, and keeps what they tell."""
