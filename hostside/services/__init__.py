"""The host's ends of the sample services: plain classes over a Bus or an Endpoint, with no I/O of their own."""
