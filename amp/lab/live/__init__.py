"""Machines that stay up: `amp up`, and the commands of a second terminal that talk to one."""
