"""The composition root: programs meet engines here: runs, explorations, witnesses, machines that stay up."""
