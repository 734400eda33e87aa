"""Retraining off the trade path: a challenger from what sessions have recorded, held against the champion."""
