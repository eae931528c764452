"""The measures, in the order in which they run. Each file has one function ``run(stage, contenders) -> lines``."""
