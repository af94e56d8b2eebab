"""Keys fall into the partitions that Kafka's default partitioner would choose."""

import pytest

from shared.partition import murmur2, partition_of


@pytest.mark.parametrize(
    ("data", "signed"),
    [  # the vectors of Apache Kafka's own UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_as_kafka_computes_it(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed % 2**32


def test_a_partition_is_the_positive_hash_modulo_their_number() -> None:
    assert partition_of("foobar", 12) == (-790332482 & 0x7FFFFFFF) % 12
    assert {partition_of(f"lead-{n}", 12) for n in range(500)} == set(range(12))
