"""Litmus tests: parse them, run every execution on a platform, and say which outcomes it allows."""
