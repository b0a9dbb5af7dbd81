"""The console: a page on the operator's own machine, with the operator's AWS credentials and nothing else."""
