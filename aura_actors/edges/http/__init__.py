"""HTTP: requests to messages, replies to JSON.

api         one operation as data, strict decoding, answers
problems    errors to RFC 9457 problem documents
metrics admission providers cleanup access health    the operations, one file per subject
document    the OpenAPI document, from the operations; manual: the same as a page
prometheus  the exposition, from cached state
page        the static files
app         all of it as one Quart-Trio application
"""
