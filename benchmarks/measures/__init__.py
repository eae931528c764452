"""The measures. Each file has one function ``run(stage, contenders) -> lines``; ``run.py`` has their order."""
