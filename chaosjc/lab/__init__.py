"""An OpenStack in a box: its control plane, its compute driver, its images. Knows nothing of the rest of chaosjc."""
