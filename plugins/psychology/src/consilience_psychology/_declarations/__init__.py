"""The declarations of the components, one subject a module; none of them loads torch."""
