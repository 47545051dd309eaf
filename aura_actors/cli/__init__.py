"""The command line: parse, call, print.

One file per command; `app.py` lists them and turns errors into exit statuses, `daemon.py` asks a running daemon,
`logging.py` sets up what `serve` writes to stderr. Commands load when they are called, and those that ask a daemon
never load the server, so that they answer at once.
"""
