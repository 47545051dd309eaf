"""`aura-actors openapi`: the document on stdout, without a daemon. The document itself is the HTTP edge's."""

import json


def openapi() -> None:
    """Print the OpenAPI document of the HTTP interface."""
    from aura_actors.edges.http.document import openapi_document

    print(json.dumps(openapi_document(), indent=2, ensure_ascii=False))
