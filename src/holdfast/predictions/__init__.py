"""The prediction log: which version served this prediction, years later."""
