"""Sends with boto3, whose calls block: each in a thread."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import boto3
import msgspec
from botocore import exceptions
from botocore.config import Config
from botocore.eventstream import ParserError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError, ReadTimeoutError

from modelmeter.errors import RefusedRequestError, UpstreamError
from modelmeter.providers.bedrock.errors import error_type_of_exception
from modelmeter.record import ErrorType, Operation
from modelmeter.service.aws_faults import error_type_of, may_be_sent
from modelmeter.service.routes import Target
from modelmeter.service.sdk.answers import (
    StreamedAnswer,
    WholeAnswer,
    lower_headers,
)
from modelmeter.service.sender import ProviderAnswer
from modelmeter.service.wire_request import WireRequest
from modelmeter.settings.limits import Limits
from modelmeter.settings.model import ProviderSettings
from modelmeter.wire.event_stream import encode_event_stream_message

__all__ = ["THREADS_MAX", "BedrockSender"]

THREADS_MAX = 64
"""Calls at once; further ones wait for a thread."""

_JSON = {"content-type": "application/json"}
_EVENTS = {"content-type": "application/vnd.amazon.eventstream"}
_OK = 200
_UNREADABLE = (
    ParserError,
    ResponseParserError,
    # What botocore's parsers make of JSON that is none of Bedrock's.
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
)
_T = TypeVar("_T")
_fields = msgspec.json.Decoder(dict[str, object])


class _EventStream(Protocol):
    def __iter__(self) -> Iterator[Mapping[str, object]]: ...

    def close(self) -> None: ...


class BedrockSender:
    """One provider's client and its threads."""

    def __init__(self, name: str, settings: ProviderSettings, limits: Limits) -> None:
        """
        Raises:
            RefusedRequestError: AWS's configuration has no credentials.
        """
        config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=limits.upstream_connect_timeout_seconds,
            read_timeout=limits.upstream_total_timeout_seconds,
            max_pool_connections=THREADS_MAX,
        )
        try:
            session = boto3.Session(profile_name=settings.aws_profile, region_name=settings.region)
            if session.get_credentials() is None:
                raise RefusedRequestError(
                    f"no AWS credentials for {name}: set AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY, or aws_profile in the configuration",
                    code="provider_key_missing",
                    http_status=503,
                )
            self._client = session.client(
                "bedrock-runtime", endpoint_url=settings.base_url, config=config
            )
        except exceptions.BotoCoreError as error:
            raise RefusedRequestError(
                f"AWS's configuration for {name}: {error}",
                code="provider_key_missing",
                http_status=503,
            ) from error
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="bedrock")

    async def send(self, target: Target, request: WireRequest) -> ProviderAnswer:
        """See `Sender.send`."""
        body = request.body

        def call() -> tuple[int, Mapping[str, str], bytes | _EventStream]:
            if request.facts.operation is Operation.INVOKE_MODEL:
                invoked = self._client.invoke_model(
                    modelId=target.model, body=body, contentType="application/json"
                )
                head = invoked["ResponseMetadata"]["HTTPHeaders"]
                return _OK, head, invoked["body"].read()
            fields = _with_bytes(_fields.decode(body))
            if request.facts.streamed:
                streamed = self._client.converse_stream(modelId=target.model, **fields)
                head = streamed["ResponseMetadata"]["HTTPHeaders"]
                return _OK, head | _EVENTS, streamed["stream"]
            whole = self._client.converse(modelId=target.model, **fields)
            head = whole["ResponseMetadata"]["HTTPHeaders"]
            answer = {name: value for name, value in whole.items() if name != "ResponseMetadata"}
            return _OK, head | _JSON, msgspec.json.encode(answer)

        try:
            status, headers, answer = await self._in_thread(lambda: _told(call))
        except _StatusError as error:
            return WholeAnswer(error.status, lower_headers(error.headers.items()), error.body)
        lines = lower_headers(headers.items())
        if isinstance(answer, bytes):
            return WholeAnswer(status, lines, answer)
        return StreamedAnswer(status, lines, self._pieces(iter(answer)), answer.close)

    async def close(self) -> None:
        """Close the connections; calls under way come to their end."""
        self._threads.shutdown(wait=False)
        self._client.close()

    async def _pieces(self, events: Iterator[Mapping[str, object]]) -> AsyncIterator[bytes]:
        """The events as they came over the wire."""
        while (
            event := await self._in_thread(lambda: _told(lambda: next(events, None)))
        ) is not None:
            for name, payload in event.items():
                headers = {":event-type": name, ":message-type": "event"}
                yield encode_event_stream_message(headers, msgspec.json.encode(payload))

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class _StatusError(Exception):
    """An answer with a status of 400 or more."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


def _told(work: Callable[[], _T]) -> _T:
    """
    Do what may raise boto3's exceptions, and tell them in our words.

    Raises:
        UpstreamError: there is no answer, or the stream reports an error.
        _StatusError: an answer with an error's status.
    """
    try:
        return work()
    except exceptions.EventStreamError as error:
        fault = error.response["Error"]
        raise UpstreamError(
            fault["Message"] or fault["Code"],
            error_type=error_type_of_exception(
                fault["Code"], msgspec.json.encode({"message": fault["Message"]})
            ),
        ) from error
    except exceptions.ClientError as error:
        head = error.response["ResponseMetadata"]
        body = msgspec.json.encode({"message": error.response["Error"]["Message"]})
        raise _StatusError(head["HTTPStatusCode"], head["HTTPHeaders"], body) from error
    except exceptions.ParamValidationError as error:
        raise UpstreamError(str(error), error_type=ErrorType.INVALID_REQUEST, sent=False) from error
    except binascii.Error as error:
        raise UpstreamError(
            f"an image is no base64: {error}", error_type=ErrorType.INVALID_REQUEST, sent=False
        ) from error
    except (exceptions.NoCredentialsError, exceptions.CredentialRetrievalError) as error:
        raise UpstreamError(str(error), error_type=ErrorType.AUTHENTICATION, sent=False) from error
    except exceptions.BotoCoreError as error:
        raise UpstreamError(
            str(error), error_type=error_type_of(error), sent=may_be_sent(error)
        ) from error
    except (HTTPError, OSError) as error:
        # In the middle of a stream it is the HTTP client's own exception that comes through.
        timed_out = isinstance(error, ReadTimeoutError)
        raise UpstreamError(
            f"the connection broke off: {error}",
            error_type=ErrorType.TIMEOUT if timed_out else ErrorType.CONNECTION,
        ) from error
    except _UNREADABLE as error:
        raise UpstreamError(
            f"the answer cannot be read: {error}", error_type=ErrorType.BAD_RESPONSE
        ) from error


def _with_bytes(value: dict[str, object]) -> dict[str, object]:
    """The body with its images as bytes, which boto3 encodes itself."""
    changed: dict[str, object] = {}
    for name, inner in value.items():
        if name == "source" and isinstance(inner, dict) and isinstance(inner.get("bytes"), str):
            changed[name] = {"bytes": base64.b64decode(inner["bytes"])}
        elif isinstance(inner, dict):
            changed[name] = _with_bytes(inner)
        elif isinstance(inner, list):
            changed[name] = [_with_bytes(one) if isinstance(one, dict) else one for one in inner]
        else:
            changed[name] = inner
    return changed
