"""Which partitions a member of a group reads, and where it goes on in each."""

from collections.abc import Collection, Iterable

from shared.eventlog.group import Membership, log_errors
from shared.eventlog.port import PositionKeeper, TopicPartition


class Assigned:
    """The partitions of the shards that a member holds. `next`: the offset that is read next in each of them."""

    def __init__(self, membership: Membership, keeper: PositionKeeper, partitions: Iterable[TopicPartition]) -> None:
        self._membership = membership
        self._keeper = keeper
        self._partitions = frozenset(partitions)
        self.next: dict[TopicPartition, int] = {}

    @property
    def shards(self) -> frozenset[int]:
        """As `Reader.shards`."""
        return self._membership.owned

    async def follow(self, in_hand: Collection[int]) -> frozenset[TopicPartition]:
        """Give up surplus shards, and ask where to go on in those that are new, or were rewound: these are returned.

        Surplus shards `in_hand` stay, as a batch of them is not committed yet and their next holder would begin before
        it; but they are read no further. Raises LogUnavailable, and what the keeper raises.
        """
        membership = self._membership
        if leaving := membership.surplus.difference(in_hand):
            async with log_errors():
                await membership.give_up(leaving)
        owned, taken = membership.owned - membership.surplus, frozenset(membership.taken)
        self.next = {at: n for at, n in self.next.items() if at.partition in owned - taken}
        missing = frozenset(at for at in self._partitions if at.partition in owned) - self.next.keys()
        if missing:
            stored = await self._keeper.positions({at.partition for at in missing})
            self.next.update({at: stored.get(at, 0) for at in missing})
        membership.taken -= taken
        return missing

    def rewind(self, shards: Collection[int]) -> None:
        """Forget where these shards were: `follow` asks again."""
        for at in [at for at in self.next if at.partition in shards]:
            del self.next[at]

    async def leave(self) -> None:
        """Leave the group. Raises LogUnavailable."""
        async with log_errors():
            await self._membership.leave()
