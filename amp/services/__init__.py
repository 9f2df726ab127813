"""What the sample services put into their messages: one module a service, layouts and checks only, for both sides."""
