"""The objective and its guards: exact means over a step's window, and whence a value comes that is not finite."""
