"""Everything that is learned is learned here; the only place that may import torch."""
