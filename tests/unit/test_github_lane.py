"""What GitHub may count on whatever we want to say: how far writes are apart, how many an hour, and who is next."""

import asyncio
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.github_diary import Diary
from app.github_lane import FREELY, HOUR, HOURLY, INTERVAL, Rank, Unreached, WriteLane, is_write
from runner.errors import TryLater
from tests.fakes.virtual_time import run_at_once

SECOND = INTERVAL.total_seconds()
LITTLE = 1e-6


@dataclass(frozen=True)
class Wish:
    """Somebody wants to write: when, where, how urgently, and how long GitHub takes over it."""

    at: float
    repository: str
    rank: Rank
    takes: float = 0.1


@dataclass(frozen=True)
class Written:
    wish: Wish
    number: int
    began: float
    ended: float


@dataclass
class Guest:
    """Writes through a lane, and keeps a book of it. Times count from the beginning."""

    lane: WriteLane = field(default_factory=WriteLane)
    book: list[Written] = field(default_factory=list)
    later: list[Wish] = field(default_factory=list)
    start: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self.start

    async def write(self, wish: Wish, number: int = 0, *, patient: bool = True) -> None:
        await asyncio.sleep(max(0.0, wish.at - self.now()))
        try:
            async with (
                self.lane.turn(wish.repository, wish.rank, patient=patient),
                self.lane.write(wish.repository, wish.rank),
            ):
                began = self.now()
                await asyncio.sleep(wish.takes)
                self.book.append(Written(wish, number, began, self.now()))
        except TryLater:
            self.later.append(wish)

    async def all(self, wishes: Sequence[Wish], *, patient: bool = True) -> None:
        async with asyncio.TaskGroup() as group:
            for number, wish in enumerate(wishes):
                group.create_task(self.write(wish, number, patient=patient))


def visit(wishes: Sequence[Wish]) -> list[Written]:
    async def story() -> list[Written]:
        guest = Guest()
        await guest.all(wishes)
        return guest.book

    return run_at_once(story())


def tenths(seconds: int) -> st.SearchStrategy[float]:
    """Moments in so many seconds, in tenths: the loop does not tell closer ones apart."""
    return st.integers(0, seconds * 10).map(lambda n: n / 10)


some_wishes = st.lists(
    st.builds(
        Wish,
        at=tenths(7200),
        repository=st.sampled_from(["octo/a", "octo/b", "octo/c"]),
        rank=st.sampled_from(list(Rank)),
        takes=st.sampled_from([0.0, 0.05, 0.3, 2.0]),
    ),
    max_size=60,
)
# Far more than an hour has room for, in bursts.
too_many = st.builds(
    lambda bursts: [Wish(at, repository, rank) for at, repository, rank, size in bursts for _ in range(size)],
    st.lists(
        st.tuples(
            tenths(5000),
            st.sampled_from(["octo/a", "octo/b"]),
            st.sampled_from(list(Rank)),
            st.integers(1, 250),
        ),
        min_size=2,
        max_size=4,
    ),
)


@settings(max_examples=150, deadline=None)
@given(some_wishes)
def test_writes_are_one_by_one_and_a_second_apart(wishes: list[Wish]) -> None:
    """From the end of one to the beginning of the next, so that GitHub sees it too; and each wish is written once."""
    book = visit(wishes)
    for one, following in itertools.pairwise(book):
        assert following.began - one.ended >= SECOND - LITTLE
    assert sorted(one.number for one in book) == list(range(len(wishes)))


@settings(max_examples=15, deadline=None)
@given(too_many)
def test_no_hour_has_more_than_its_share(wishes: list[Wish]) -> None:
    book = visit(wishes)
    seen = [one.ended for one in book]
    for first, one_too_many in zip(seen, seen[HOURLY:], strict=False):
        assert one_too_many - first >= HOUR
    assert len(book) == len(wishes)


@settings(max_examples=100, deadline=None)
@given(some_wishes)
def test_in_one_repository_equals_never_overtake_each_other(wishes: list[Wish]) -> None:
    order = defaultdict(list)
    for one in visit(wishes):
        order[one.wish.repository, one.wish.rank].append((one.wish.at, one.number))
    for came in order.values():
        assert [at for at, _ in came] == sorted(at for at, _ in came)


def test_news_goes_before_edits_and_eyes_before_both() -> None:
    ranks = [Rank.edit, Rank.edit, Rank.news, Rank.eyes, Rank.news, Rank.eyes]
    book = visit([Wish(0, "octo/a", rank) for rank in ranks])
    # The first one finds the lane free.
    assert [one.number for one in book] == [0, 3, 5, 2, 4, 1]


@pytest.mark.parametrize("rank", list(Rank))
def test_a_repository_with_fifty_tasks_delays_another_by_no_more_than_one_write(rank: Rank) -> None:
    busy = [Wish(0, "octo/busy", rank) for _ in range(50)]
    book = visit([*busy, Wish(5, "octo/calm", rank)])
    calm = next(one for one in book if one.wish.repository == "octo/calm")
    assert calm.began - calm.wish.at <= 2 * (SECOND + 0.1)


def test_repositories_take_turns() -> None:
    names = ["octo/a"] * 9 + ["octo/b"] * 3 + ["octo/c"] * 3
    book = visit([Wish(0, name, Rank.news) for name in names])
    order = "".join(one.wish.repository[-1] for one in book)
    assert order[0] == "a"
    assert sorted(order[:9]) == list("aaabbbccc")
    assert order[9:] == "aaaaaa"


def test_when_the_hour_runs_short_edits_are_spread_out_and_news_still_goes() -> None:
    edits = [Wish(0, "octo/a", Rank.edit) for _ in range(600)]
    news = [Wish(60.0 * n, "octo/a", Rank.news) for n in range(120)]
    book = visit([*edits, *news])
    late = [one.began - one.wish.at for one in book if one.wish.rank is Rank.news]
    assert max(late) < 5  # nobody waits for the edits
    in_first_hour = [one for one in book if one.ended < HOUR and one.wish.rank is Rank.edit]
    assert FREELY < len(in_first_hour) < HOURLY - 60
    gaps = [later.began - one.began for one, later in itertools.pairwise(in_first_hour)]
    assert max(gaps[FREELY:]) < 120  # and they do not stand still


def test_an_edit_gets_through_whatever_else_there_is_to_say() -> None:
    """News without end takes all that an hour has; yet what waits longest has its turn."""
    news = [Wish(float(n), f"octo/{n % 3}", Rank.eyes) for n in range(900)]
    book = visit([*news, Wish(10, "octo/0", Rank.edit)])
    (edit,) = [one for one in book if one.wish.rank is Rank.edit]
    assert edit.began - edit.wish.at < 2 * HOUR


@settings(max_examples=50, deadline=None)
@given(some_wishes, tenths(3000), tenths(3590).map(lambda seconds: seconds + 6))
def test_while_the_lane_is_closed_nothing_goes_and_then_everything_goes_once(
    wishes: list[Wish], at: float, seconds: float
) -> None:
    async def story() -> Guest:
        guest = Guest()

        async def close() -> None:
            await asyncio.sleep(at)
            guest.lane.close(timedelta(seconds=seconds))

        async with asyncio.TaskGroup() as group:
            group.create_task(close())
            group.create_task(guest.all(wishes))
        return guest

    guest = run_at_once(story())
    book = guest.book
    assert not [one for one in book if at + LITTLE < one.began < at + seconds - LITTLE]
    # Whoever had the turn in that very moment hears TryLater, and comes again; all others wait.
    assert len(guest.later) <= 1
    assert len({one.number for one in book}) == len(book) == len(wishes) - len(guest.later)


async def _closed_for_a_minute() -> tuple[Guest, list[float]]:
    guest = Guest()
    guest.lane.close(timedelta(seconds=60))
    heard: list[float] = []

    async def ask() -> None:
        try:
            async with guest.lane.write("octo/a", Rank.news):
                raise AssertionError("it is closed")
        except TryLater as exc:
            heard.append((exc.after or timedelta(0)).total_seconds())

    async with asyncio.TaskGroup() as group:
        group.create_task(guest.all([Wish(1, "octo/a", Rank.edit), Wish(2, "octo/b", Rank.news)]))
        group.create_task(ask())
    return guest, heard


def test_who_is_patient_keeps_the_place_in_line_and_others_are_told_for_how_long() -> None:
    guest, heard = run_at_once(_closed_for_a_minute())
    assert heard == [60.0]
    assert [(one.wish.repository, round(one.began)) for one in guest.book] == [("octo/b", 60), ("octo/a", 61)]


def test_who_waits_in_line_when_the_lane_closes_is_told_as_well() -> None:
    async def story() -> Guest:
        guest = Guest()
        wishes = [Wish(0, "octo/a", Rank.news, takes=3), Wish(1, "octo/a", Rank.news), Wish(1, "octo/a", Rank.news)]
        async with asyncio.TaskGroup() as group:
            group.create_task(guest.all(wishes, patient=False))
            await asyncio.sleep(2)
            guest.lane.close(timedelta(minutes=10))
        assert guest.lane.traffic().closed_seconds > 590
        return guest

    guest = run_at_once(story())
    assert len(guest.book) == 1
    assert len(guest.later) == 2


def test_a_turn_in_which_nothing_is_written_costs_nothing() -> None:
    async def story() -> float:
        guest = Guest()
        for _ in range(1000):
            async with guest.lane.turn("octo/a", Rank.edit):
                pass
        return guest.now()

    assert run_at_once(story()) == 0


def test_two_writes_in_one_turn_are_a_second_apart_and_nobody_comes_between() -> None:
    async def story() -> list[tuple[str, float]]:
        guest, said = Guest(), list[tuple[str, float]]()

        async def other() -> None:
            async with guest.lane.write("octo/b", Rank.eyes):
                said.append(("other", guest.now()))

        async with guest.lane.turn("octo/a", Rank.edit):
            waiting = asyncio.create_task(other())
            for name in ("first", "second"):
                async with guest.lane.write("octo/a", Rank.edit):
                    said.append((name, guest.now()))
        await waiting
        return said

    assert run_at_once(story()) == [("first", 0.0), ("second", SECOND), ("other", 2 * SECOND)]


def test_who_gives_up_holds_nobody_up_at_whatever_moment() -> None:
    async def story(after: float) -> list[Written]:
        guest = Guest()
        first = asyncio.create_task(guest.write(Wish(0, "octo/a", Rank.news, takes=1)))
        second = asyncio.create_task(guest.write(Wish(0, "octo/a", Rank.news, takes=1), 1))
        third = asyncio.create_task(guest.write(Wish(0, "octo/a", Rank.news, takes=1), 2))
        await asyncio.sleep(after)
        second.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        return guest.book

    for after in (0, 0.5, 1, 1.5, 2, 2.5, 3):
        book = run_at_once(story(after))
        assert [one.number for one in book if one.number != 1] == [0, 2]
        assert book[-1].ended <= 5 + LITTLE


def test_while_github_is_away_one_tries_for_all_and_less_and_less_often() -> None:
    async def story() -> tuple[list[float], int]:
        guest, tries = Guest(), list[float]()

        async def insist(name: str) -> None:
            while guest.now() < 600:
                try:
                    async with (
                        guest.lane.turn(name, Rank.news, patient=True),
                        guest.lane.write(name, Rank.news),
                    ):
                        tries.append(guest.now())
                        guest.lane.stumbled()
                        raise Unreached("refused")
                except TryLater:
                    await asyncio.sleep(1)

        async with asyncio.TaskGroup() as group:
            for n in range(20):
                group.create_task(insist(f"octo/{n}"))
        return tries, guest.lane.traffic().writes_last_hour

    tries, counted = run_at_once(story())
    in_time = [at for at in tries if at < 600]
    assert len(in_time) < 30
    assert in_time[:4] == [0, 1, 3, 7]
    assert counted == 0  # what never arrived does not count


def test_an_answer_ends_the_absence() -> None:
    async def story() -> float:
        guest = Guest()
        for _ in range(10):
            guest.lane.stumbled()
        async with asyncio.TaskGroup() as group:
            group.create_task(guest.all([Wish(0, "octo/a", Rank.news)]))
            await asyncio.sleep(2)
            guest.lane.answered(4321)
        assert guest.lane.traffic().rate_left == 4321
        return guest.book[0].began

    assert run_at_once(story()) == 2


def test_an_interval_of_zero_limits_nothing() -> None:
    async def story() -> float:
        guest = Guest(WriteLane(timedelta(0)))
        await guest.all([Wish(0, "octo/a", Rank.edit, takes=0) for _ in range(2 * HOURLY)])
        return guest.now()

    assert run_at_once(story()) == 0


def test_how_it_stands() -> None:
    async def story() -> None:
        guest = Guest()
        async with asyncio.TaskGroup() as group:
            group.create_task(guest.all([Wish(n, "octo/a", Rank.news, takes=10) for n in range(4)]))
            await asyncio.sleep(8)
            traffic = guest.lane.traffic()
            assert (traffic.waiting, traffic.oldest_seconds, traffic.writes_last_hour) == (3, 7, 0)
        assert guest.lane.traffic().writes_last_hour == 4

    run_at_once(story())


# What the next process knows


class Wall:
    """A clock on the wall, which the diary goes by; it may be set."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


def restarted(path: Path, wall: Callable[[], float], story: Callable[[Guest], object]) -> object:
    async def life() -> object:
        guest = Guest(WriteLane(diary=Diary(path, wall), name="octo"))
        return await story(guest)  # type: ignore[misc]  # every story here is a coroutine function

    return run_at_once(life())


def test_the_hour_goes_on_over_a_restart(tmp_path: Path) -> None:
    path, wall = tmp_path / "github-writes", Wall()

    async def use_it_up(guest: Guest) -> int:
        for _ in range(HOURLY):
            async with guest.lane.write("octo/a", Rank.news):
                pass
        return guest.lane.traffic().writes_last_hour

    async def one_more(guest: Guest) -> float:
        await guest.write(Wish(0, "octo/a", Rank.news))
        return guest.book[0].began

    assert restarted(path, wall, use_it_up) == HOURLY
    wall.at += 1000
    assert restarted(path, wall, one_more) == pytest.approx(HOUR - 1000)
    wall.at += HOUR
    assert restarted(path, wall, one_more) == pytest.approx(SECOND)


def test_a_restart_does_not_open_a_closed_lane(tmp_path: Path) -> None:
    path, wall = tmp_path / "github-writes", Wall()

    async def close(guest: Guest) -> None:
        guest.lane.close(timedelta(minutes=10))

    async def look(guest: Guest) -> float:
        with pytest.raises(TryLater):
            guest.lane.check()
        return guest.lane.traffic().closed_seconds

    restarted(path, wall, close)
    wall.at += 60
    assert restarted(path, wall, look) == pytest.approx(540)
    wall.at -= 100_000  # set back: an hour is the longest it can mean
    assert restarted(path, wall, look) == pytest.approx(HOUR)


def test_one_account_does_not_pay_for_another(tmp_path: Path) -> None:
    diary = Diary(tmp_path / "github-writes", Wall())
    diary.wrote("octo")
    diary.closed("octo", 60)
    assert diary.recall("octo").ages == (0,)
    assert diary.recall("other").ages == ()
    assert diary.recall("other").closed_seconds == 0


def test_the_diary_stays_short_and_bears_a_torn_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, wall = tmp_path / "github-writes", Wall()
    monkeypatch.setattr("app.github_diary.MOST_LINES", 50)
    diary = Diary(path, wall)
    for _ in range(500):
        diary.wrote("octo")
        wall.at += 100
    assert len(path.read_text().splitlines()) <= 50 + 3 * math.ceil(HOUR / 100)
    with path.open("a") as file:
        file.write("wrote 12")
    assert len(Diary(path, wall).recall("octo").ages) == 35


@pytest.mark.parametrize(
    ("method", "path", "body", "counts"),
    [
        ("GET", "/repos/a/b", b"", False),
        ("POST", "/repos/a/b/issues/1/reactions", b"{}", True),
        ("DELETE", "/repos/a/b/issues/1/reactions/7", b"", True),
        ("POST", "/graphql", b'{"query": "query ($id: ID!) { node(id: $id) { id } }"}', False),
        ("POST", "/graphql", b'{"query": "{ viewer { login } }"}', False),
        ("POST", "/api/graphql", b'{"query": "\\n mutation ($id: ID!) { markPullRequestReadyForReview }"}', True),
    ],
)
def test_what_counts_as_a_write(method: str, path: str, body: bytes, counts: bool) -> None:
    assert is_write(method, path, body) is counts
