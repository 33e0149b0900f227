"""Verifies access tokens as an app in Python does: one from each line of the input, with the keys of argv[1]."""

import sys

import jwt

# Without the pause that it makes by default before it asks for an unknown key.
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
