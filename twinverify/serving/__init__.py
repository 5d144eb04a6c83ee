"""The best model as a thing to use: its folder, its calibration, and what scores two photographs with it."""
