"""The rules of Holdfast, pure: no disk, network, clock, randomness or log."""
