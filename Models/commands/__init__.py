"""What `python3 Models COMMAND` runs: each module's ``main`` reads ``sys.argv`` and returns the exit
code, None for 0."""
