"""Which settings are tried: distributions, the samplers that draw from them, and their YAML form."""
