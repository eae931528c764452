"""What ``benchmarks/load.py`` is made of: who prints, who watches, who asks, what is sampled and what follows."""
