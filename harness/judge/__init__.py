"""What the samples say: estimates with intervals, the noise floor, and which targets are reached. Knows values only."""
