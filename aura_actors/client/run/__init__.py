"""`aura-actors run`: one command under one lease.

`wrapper` is the story; `command` is the process that waits to become the command, `group` its control group,
`remote` and `local` decide when it may begin, `signals` and `terminal` keep the wrapper out of the way.
"""
