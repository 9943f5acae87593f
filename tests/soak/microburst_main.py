"""Starts microburst, in its own environment, with one difference: calls keep the Host they were signed for.

It would put the upstream's there, which no signature covers, and the local AWS checks signatures.
"""

import sys

from microburst import cli
from microburst.forward import Upstream

outbound_headers = Upstream._outbound_headers


def with_signed_host(upstream, request):
    return outbound_headers(upstream, request) | {"host": request.headers["host"]}


Upstream._outbound_headers = with_signed_host

if __name__ == "__main__":
    sys.exit(cli.main())
