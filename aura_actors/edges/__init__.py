"""The outside world: HTTP, the WebSocket feed and the static page, on one port.

listener, access   sockets to connections, and who may talk to us
http/              requests to messages, replies to JSON
feed/              publications to WebSocket clients
web/               the page: static files, no code of ours runs behind it
"""
