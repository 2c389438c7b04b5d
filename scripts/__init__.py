"""Steps of the Makefile that the shell would say badly."""
