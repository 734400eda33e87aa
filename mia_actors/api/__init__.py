"""The public Python API: few names, documented and kept. Import them from `mia_actors`."""
