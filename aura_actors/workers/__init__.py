"""Parts that run as child processes: blocking, no Trio, frames on their pipes, supervised by an actor.

What can hang or crash inside a driver lives here, so that it takes nobody along.
"""
