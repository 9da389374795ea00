"""Other people's clusters: their configuration adopted as it is, what can be seen in its text, and its acceptance."""
