"""Results of a search -> tables, files, and what stands on the screen."""
