"""The one door to shared memory. Protocol code is given a `Port` and knows no other way."""
