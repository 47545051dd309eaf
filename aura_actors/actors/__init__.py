"""The shells: one actor per file, which feeds messages, time and readings to the rules and does what they return.

Actors know each other only by the messages that they exchange.
"""
