"""Which runs are ended early: policies, and what they know of the runs."""
