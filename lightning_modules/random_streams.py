"""Random numbers as functions of what they are for: the same in one process or many, resumed or not."""

import hashlib

import torch


def stream_seed(*key: object) -> int:
    """A 63-bit seed from a key such as (seed, epoch, "order")."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(*key: object) -> torch.Generator:
    """A CPU generator of its own for a key such as (seed, epoch, "order")."""
    return torch.Generator().manual_seed(stream_seed(*key))
