"""The public JSON, as Structs: what HTTP answers, the feed carries and the OpenAPI document describes.

One file per subject. Field names become camelCase; every quantity names its unit. A value that this machine
does not have is null, never 0. Knows nothing but the standard library and msgspec, so that the client can
use it without loading the server.
"""
