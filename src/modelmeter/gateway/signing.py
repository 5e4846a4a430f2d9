"""AWS Signature Version 4 for Bedrock, by botocore."""

from modelmeter.errors import SettingsError
from modelmeter.gateway.asgi import Headers

__all__ = ["RequestSigner"]

_SERVICE = "bedrock"
_SIGNED_HEADERS = frozenset({"authorization", "x-amz-date", "x-amz-security-token"})


class RequestSigner:
    """Signs requests with the operator's AWS credentials, found the way every AWS tool does."""

    def __init__(self, *, region: str, profile: str | None) -> None:
        """
        Raises:
            SettingsError: AWS's configuration names no credentials.
        """
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            credentials = Session(profile=profile).get_credentials()
        except BotoCoreError as error:
            raise SettingsError(f"AWS credentials for Bedrock: {error}") from error
        if credentials is None:
            raise SettingsError(
                "no AWS credentials for Bedrock: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "providers.bedrock.aws_profile, or providers.bedrock.api_key"
            )
        self._credentials = credentials
        self._region = region

    def sign(self, method: str, url: str, headers: Headers, body: bytes) -> Headers:
        """``headers`` and those of the signature."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(
            method=method,
            url=url,
            data=body,
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in headers},
        )
        SigV4Auth(self._credentials, _SERVICE, self._region).add_auth(request)
        signature = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in request.headers.items()
            if name.lower() in _SIGNED_HEADERS
        ]
        return [*headers, *signature]
