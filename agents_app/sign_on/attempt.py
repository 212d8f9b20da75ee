"""A sign-in that has begun. It needs no package of the protocol, which take long to import."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """One sign-in that a browser began, and its three secrets.

    The browser brings `state` back, the ID token has `nonce`, and only this server knows `verifier`.
    """

    state: str
    nonce: str
    verifier: str
