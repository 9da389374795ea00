"""The Gherkin steps: they parse words and call the harness, nothing else."""
