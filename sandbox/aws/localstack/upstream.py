"""Forwards requests to a LocalStack, service by service; what stays is in `services.py`."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping

import urllib3

from sandbox.aws.localstack.credentials import PRESIGNED, credited
from sandbox.aws.localstack.health import LocalStackHealth, UnreachableError, read_health
from sandbox.aws.localstack.services import ABSENT, SERVING, STAYS, localstack_name
from sandbox.aws.wire import HeaderMap, RequestContext, WireRequest, WireResponse
from sandbox.errors import AwsError

FRESH_S = 30.0
"""For so long the answer about services is believed."""
RETRY_S = 1.0
"""For so long a LocalStack that did not answer is left alone."""
CONNECT_S = 3.0
READ_S = 910.0
"""A Lambda function may run 15 minutes, and the caller waits for it."""
CONNECTIONS = 32

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
log = logging.getLogger(__name__)


class LocalStackUpstream:
    """One LocalStack. Thread-safe; it need not run when this is made."""

    def __init__(
        self,
        url: str,
        account_id: str,
        *,
        ask: Callable[[str], LocalStackHealth] = read_health,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to forward; nothing is asked yet.

        Args:
            url: where it listens, without a path.
            account_id: the account for which requests are passed on.
            ask: reads its health.
            clock: seconds, for the age of what was asked.

        """
        self.url = url
        self._account_id = account_id
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._health: LocalStackHealth | None = None
        self._asked_at = float("-inf")
        self._trouble = ""
        self._pool = urllib3.connectionpool.connection_from_url(
            url,
            maxsize=CONNECTIONS,
            block=False,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
        )

    def takes(self, service: str) -> bool:
        """Tell whether requests signed for `service` are LocalStack's.

        Raises:
            AwsError: ServiceUnavailable, where it cannot be asked or the service is broken
                there. It is never answered from elsewhere instead: that would be another,
                empty account.
        """
        name = localstack_name(service)
        if name in STAYS:
            return False
        state = self._current().services.get(name)
        if state is None or state in ABSENT:
            return False
        if state not in SERVING:
            state = self._current(RETRY_S).services.get(name, state)
        if state not in SERVING:
            raise self._unavailable(f"says that {name} is in state {state!r}")
        return True

    def handle(self, context: RequestContext, request: WireRequest) -> WireResponse:  # noqa: ARG002
        """Pass one request on and return its answer.

        Raises:
            AwsError: ServiceUnavailable, where LocalStack does not answer.
        """
        try:
            answer = self._pool.urlopen(
                request.method,
                credited(request.raw_uri, self._account_id, where=PRESIGNED),
                body=request.body,
                headers=self._headers(request.headers),
                redirect=False,
                assert_same_host=False,
                preload_content=True,
                decode_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            self._forget(str(error))
            raise self._unavailable(f"does not answer ({error})") from error
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
        return WireResponse(status=answer.status, headers=kept, body=answer.data)

    def rows(self, known: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
        """Return service name to `status` and `by`, for what it takes or should take.

        Nothing of `known` is answered elsewhere while LocalStack cannot be asked.
        """
        try:
            states = self._current().services
        except AwsError:
            states = dict.fromkeys(known, "unavailable")
        return {
            name: {"status": state, "by": "localstack"}
            for name, state in states.items()
            if name not in STAYS and state not in ABSENT
        }

    def health(self) -> Mapping[str, object]:
        """Ask how it is, now."""
        with self._lock:
            self._refresh()
            found = self._health
        if found is None:
            return {"url": self.url, "status": "unreachable", "message": self._trouble}
        return {
            "url": self.url,
            "status": "running",
            "version": found.version,
            "edition": found.edition,
            "states": dict(found.services),
        }

    def _current(self, fresh_s: float = FRESH_S) -> LocalStackHealth:
        with self._lock:
            age = self._clock() - self._asked_at
            if age > (fresh_s if self._health is not None else RETRY_S):
                self._refresh()
            if self._health is None:
                raise self._unavailable(f"does not answer ({self._trouble})")
            return self._health

    def _refresh(self) -> None:
        was = self._health
        try:
            self._health, self._trouble = self._ask(self.url), ""
        except UnreachableError as error:
            self._health, self._trouble = None, str(error)
        self._asked_at = self._clock()
        if (was is None) != (self._health is None):
            event = "localstack_unreachable" if self._health is None else "localstack_reached"
            log.info(event, extra={"url": self.url, "trouble": self._trouble})

    def _forget(self, trouble: str) -> None:
        """Have it asked anew before the next request."""
        log.warning("localstack_request_failed", extra={"url": self.url, "trouble": trouble})
        with self._lock:
            self._asked_at = float("-inf")

    def _headers(self, headers: Mapping[str, str]) -> HeaderMap:
        kept = HeaderMap({k: v for k, v in headers.items() if k.lower() not in _HOP_BY_HOP})
        kept.pop("Content-Length", None)  # of the body as it was read: chunks are joined
        if "Authorization" in kept:
            kept["Authorization"] = credited(kept["Authorization"], self._account_id)
        return kept

    def _unavailable(self, what: str) -> AwsError:
        # Source: "Common errors" of the API references, ServiceUnavailable.
        message = (
            "The request has failed due to a temporary failure of the server: "
            f"the LocalStack at {self.url} {what}."
        )
        return AwsError("ServiceUnavailable", message, status=503)
