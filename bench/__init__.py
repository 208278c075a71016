"""What things cost on this machine: `python -m bench` measures and prints, and asserts nothing."""
