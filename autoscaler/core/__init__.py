"""The decision core: pure functions and values, standard library only."""
