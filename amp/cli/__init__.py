"""The command line: it reads options and renders. What it shows, amp.lab has composed."""
