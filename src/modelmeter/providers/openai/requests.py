"""What a request in OpenAI's dialect asks for."""

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.bodies import largest_limit, model_name
from modelmeter.providers.contract import RequestFacts
from modelmeter.providers.demand import answers_asked
from modelmeter.providers.one_reading import request_fields
from modelmeter.record import Operation

__all__ = ["read_openai_request"]

_ASK_FOR_USAGE = b'"stream_options":{"include_usage":true}'
_STREAMS_WITHOUT_USAGE = frozenset({Operation.CHAT, Operation.TEXT_COMPLETION})


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Request(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | msgspec.UnsetType | None = msgspec.UNSET
    max_completion_tokens: object = None
    max_tokens: object = None
    max_output_tokens: object = None
    n: object = None


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_openai_request(
    operation: Operation, body: bytes, *, model_of_path: str | None
) -> RequestFacts:
    """
    Read a request; a stream is made to report its usage, which OpenAI sends only when asked.

    ``model_of_path`` is the deployment in an Azure path, for bodies that name no model.

    Raises:
        RefusedRequestError: see `modelmeter.providers.Dialect.read_request`.
    """
    request = request_fields(body, _Request)
    name = request.model if request.model is not None else model_of_path
    if name is None:
        raise RefusedRequestError("the request names no model", code="invalid_model")
    streamed = bool(request.stream)
    upstream_body = body
    if streamed and operation in _STREAMS_WITHOUT_USAGE:
        options = request.stream_options
        if not isinstance(options, _StreamOptions) or not options.include_usage:
            upstream_body = _with_usage(body, there=options is not msgspec.UNSET)
    limits = (request.max_completion_tokens, request.max_tokens, request.max_output_tokens)
    return RequestFacts(
        operation=operation,
        model=model_name(name),
        streamed=streamed,
        output_tokens_max=largest_limit(limits),
        upstream_body=upstream_body,
        hides_usage_chunk=upstream_body is not body,
        answers=answers_asked(request.n),
    )


def _with_usage(body: bytes, *, there: bool) -> bytes:
    """The body with ``stream_options.include_usage``; all other values byte for byte."""
    if not there:
        start = body.index(b"{") + 1
        return b"%b%b,%b" % (body[:start], _ASK_FOR_USAGE, body[start:])
    fields = _fields.decode(body)
    given = fields["stream_options"]
    options: dict[str, object] = {}
    if bytes(given) != b"null":
        options.update(_fields.decode(given))
    options["include_usage"] = True
    fields["stream_options"] = msgspec.Raw(msgspec.json.encode(options))
    return msgspec.json.encode(fields)
