"""What the standard declarations build: plain PyTorch and transformers, which runs without Consilience."""
