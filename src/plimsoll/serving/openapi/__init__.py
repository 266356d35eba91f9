"""What the REST surface is, as an OpenAPI 3.1 document that is made from the code.

The operations are a table; types come from the structs that the edge decodes and encodes, and a capability's questions
from its form. A test holds the table against the routes.
"""

from plimsoll.serving.openapi.document import document

__all__ = ["document"]
