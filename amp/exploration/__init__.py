"""Every behaviour of a program of several CPUs: exploration, schedules, shrinking. Knows no side and no scenario."""
