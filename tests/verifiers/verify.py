"""Verifies access tokens with PyJWT, one per line of standard input. The first argument is the URL of the JWKS.

Prints `good` and the subject, or `bad` and the error.
"""

import sys

import jwt

# By default PyJWT waits before it fetches the keys again for an unknown key id.
keys = jwt.PyJWKClient(sys.argv[1], cooldown_duration=0)
for token in map(str.strip, sys.stdin):
    try:
        claims = jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=["ES256"],
            audience="rosterd",
            issuer="https://id.example.org",
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
        print("good", claims["sub"], flush=True)
    except jwt.PyJWTError as error:
        print("bad", type(error).__name__, error, flush=True)
