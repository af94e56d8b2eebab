"""Which partition a key falls into: murmur2, as Apache Kafka's default partitioner computes it for a record with a key
(`org.apache.kafka.common.utils.Utils.murmur2`), so that keys keep their partitions when the log moves to Kafka."""

from functools import lru_cache
from struct import unpack_from

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


@lru_cache(maxsize=262_144)  # some 30 MB when there are as many leads
def partition_of(key: str, partitions: int) -> int:
    """Partition (0 .. partitions - 1) of a key, hashed as UTF-8."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """The 32-bit hash, unsigned."""
    length = len(data)
    h = _SEED ^ length
    whole = length // 4
    for k in unpack_from(f"<{whole}I", data):
        k = (k * _M) & _MASK
        k ^= k >> 24
        h = ((h * _M) & _MASK) ^ ((k * _M) & _MASK)
    if rest := data[whole * 4 :]:
        h = ((h ^ int.from_bytes(rest, "little")) * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)
