"""What stands between a request and the store: what is added to an object, and what is refused."""
