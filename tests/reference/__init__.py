"""What the algorithms mean, in the shortest float64 NumPy; nothing here imports the package."""
