"""What the tests of the rules notice when the code is changed on purpose: `python -m tests.mutation`."""
