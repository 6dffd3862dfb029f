"""Rows become a trajectory as it was in the end, cut where no smooth curve goes through."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from flown_paths import EARTH, START, burned, orbit, states
from gmat_sweep.export.curves import curve_at
from gmat_sweep.export.trajectory import Trajectory, in_order, pieces_of


def seconds_of(rows: Trajectory) -> list[float]:
    return [round(float(each), 3) for each in rows.seconds]


def joined(*parts: Trajectory) -> Trajectory:
    first = parts[0]
    velocities = [each.velocities for each in parts if each.velocities is not None]
    return replace(
        first,
        epochs=np.concatenate([each.epochs for each in parts]),
        positions=np.concatenate([each.positions for each in parts]),
        velocities=np.concatenate(velocities),
    )


class TestOrder:
    def test_rows_that_go_forward_stay(self) -> None:
        rows = orbit([0.0, 60, 60, 120])

        assert seconds_of(in_order(rows)) == [0, 60, 60, 120]

    def test_the_last_iteration_of_a_solver_replaces_those_before_it(self) -> None:
        first = orbit([0.0, 60, 120, 180, 240])
        last = orbit([60.0, 110, 160], velocity=(0.0, 6.2, 4.5))

        found = in_order(joined(first, last))

        assert seconds_of(found) == [0, 60, 110, 160]
        np.testing.assert_array_equal(found.positions[1:], last.positions)

    def test_what_is_propagated_backwards_takes_its_place(self) -> None:
        there = orbit([0.0, 60, 120])
        back = orbit([90.0, 30, -30])

        found = in_order(joined(there, back))

        assert seconds_of(found) == [0, 60, 120, 150]
        np.testing.assert_array_equal(found.positions[:3], back.positions[::-1])

    def test_rows_without_a_value_are_left_out(self) -> None:
        rows = orbit([0.0, 60, 120, 180])
        rows.positions[1, 2] = np.nan
        rows.epochs[2] = np.datetime64("NaT", "ns")

        assert seconds_of(in_order(rows)) == [0, 180]


class TestPieces:
    def test_a_smooth_orbit_is_one_piece(self) -> None:
        rows = orbit(np.cumsum([0.0, *[60, 90, 120, 75] * 20]))

        assert len(pieces_of(rows, joined=False)) == 1

    def test_epochs_that_are_rounded_to_a_millisecond_make_no_pieces(self) -> None:
        rows = orbit(np.cumsum([0.0, *[61.2345, 90.9876, 119.5004] * 30]))
        rounded = replace(rows, epochs=rows.epochs.astype("datetime64[ms]").astype("M8[ns]"))

        assert len(pieces_of(rounded, joined=False)) == 1

    def test_nor_do_steps_that_end_short(self) -> None:
        """A short last step makes much of what a rounded epoch puts its row off."""
        rows = orbit(np.cumsum([0.0, *[100.3] * 40, 27.9, 60.0, 90.0, 100.1, 3.0, 100.0]))
        rounded = replace(rows, epochs=rows.epochs.astype("datetime64[ms]").astype("M8[ns]"))
        rounded.epochs[::2] += np.timedelta64(400, "us")

        pieces = pieces_of(rounded, joined=False)

        # The step of 3 s is a piece of its own, without a gap beside it.
        assert [len(each) for each in pieces] == [45, 2, 2]
        for before, after in itertools.pairwise(pieces):
            assert after.epochs[0] == before.epochs[-1]

    def test_a_state_that_is_there_twice_is_one(self) -> None:
        rows = orbit([0.0, 60, 120, 120, 180, 240])

        (piece,) = pieces_of(rows, joined=False)

        assert seconds_of(piece) == [0, 60, 120, 180, 240]

    def test_another_velocity_at_the_same_epoch_begins_a_piece(self) -> None:
        rows = orbit([0.0, 60, 120, 120, 180, 240])
        assert rows.velocities is not None
        rows.velocities[3:] += 0.01

        first, second = pieces_of(rows, joined=True)

        assert seconds_of(first) == [0, 60, 120]
        assert seconds_of(second) == [0, 60, 120]
        np.testing.assert_array_equal(second.velocities, rows.velocities[3:])

    @pytest.mark.parametrize("step", [10.0, 60.0, 200.0])
    @pytest.mark.parametrize("burn", [0.002, -0.02, 0.5])
    def test_a_burn_that_is_one_row_is_found_and_the_curve_after_it_is_right(
        self, burn: float, step: float
    ) -> None:
        """The curve after the burn is compared with the orbit that it begins, by Kepler."""
        rows, times, positions = burned(step, burn)

        before, after = pieces_of(rows, joined=True)

        assert len(before) == 41
        assert after.epochs[0] == rows.epochs[40]
        start = after.epochs[0]
        own = times - (start - rows.epochs[0]).astype(int) / 1e9
        curve = curve_at(own, after.seconds, after.positions, after.velocities)
        off = np.linalg.norm(curve - positions, axis=1).max()
        whole = curve_at(times, rows.seconds, rows.positions, rows.velocities)
        uncut = np.linalg.norm(whole - positions, axis=1).max()
        assert off < 1e-3
        assert uncut > abs(burn) * step / 20 > 10 * off

    def test_no_jump_is_found_where_there_is_none_nor_beside_one(self) -> None:
        """Random steps, burns and roundings: a burn is found at its row, or not at all."""
        rng = np.random.default_rng(1)
        found = {True: 0, False: 0}
        for number in range(120):
            base = rng.choice([5.0, 20, 60, 120, 300])
            times = np.r_[0.0, np.cumsum(base * rng.uniform(0.3, 1.7, rng.integers(6, 40)))]
            later = np.cumsum(base * rng.uniform(0.3, 1.7, 40))
            speed = rng.choice([6.0, 6.3, 8.0])
            burn = np.zeros(3) if number % 2 else rng.normal(size=3) * rng.choice([0.05, 0.5])
            positions, velocities = states(times, velocity=(0.0, speed, 4.5))
            after = states(later, position=positions[-1], velocity=velocities[-1] + burn)
            seconds = np.r_[times, times[-1] + later]
            epochs = START + np.rint(seconds * 1e9).astype("timedelta64[ns]")
            if number % 3 == 0:
                epochs = (epochs + np.timedelta64(500, "us")).astype("M8[ms]").astype("M8[ns]")
            flown = (np.r_[positions, after[0]], np.r_[velocities, after[1]])
            pieces = pieces_of(Trajectory("Sat", EARTH, "TAI", epochs, *flown), joined=False)
            assert [len(each) for each in pieces] in ([len(seconds)], [len(times), 40])
            assert len(pieces) == 1 or burn.any()
            found[len(pieces) == 2] += 1

        assert found[True] > 45

    def test_a_short_last_step_does_not_bend_the_curve_before_it(self) -> None:
        """The epochs are off by 0.15 microseconds, as GMAT's are; the orbit is known by Kepler."""
        times = np.r_[np.arange(30) * 100.0, 2900.4]
        rows = orbit(times)
        rows.epochs[:] = rows.epochs + (np.arange(31) % 3 * 150).astype("timedelta64[ns]")
        at = np.linspace(2805.0, 2895.0, 19)

        before, last = pieces_of(rows, joined=True)

        own, whole = (
            np.linalg.norm(
                curve_at(at, each.seconds, each.positions, each.velocities) - truth, axis=1
            )
            for each, truth in ((before, states(at)[0]), (rows, states(at)[0]))
        )
        assert len(last) == 2
        assert last.epochs[0] == before.epochs[-1]
        assert own.max() < 1e-4 < 0.02 < whole.max()

    def test_messages_hold_rows_of_gmat_only(self) -> None:
        rows, _, _ = burned(60.0, 0.1)

        before, after = pieces_of(rows, joined=False)

        assert len(before) + len(after) == len(rows)
        assert after.epochs[0] == rows.epochs[41]

    def test_without_velocities_pieces_meet_in_the_row_of_the_burn(self) -> None:
        rows, times, positions = burned(60.0, 0.3, with_velocity=False)

        before, after = pieces_of(rows, joined=True)

        assert before.epochs[-1] == after.epochs[0] == rows.epochs[40]
        own = times - 2400.0
        curve = curve_at(own, after.seconds, after.positions, None)
        assert np.linalg.norm(curve - positions, axis=1).max() < 2e-3

    def test_two_burns_are_three_pieces(self) -> None:
        first, _, _ = burned(60.0, 0.1)
        more, _, _ = burned(60.0, -0.2)
        shift = first.epochs[-1] - more.epochs[0]
        assert more.velocities is not None
        # The second orbit begins where the first one ends, in space as well.
        later = replace(
            more.rows(slice(1, None)),
            epochs=more.epochs[1:] + shift,
            positions=more.positions[1:] + first.positions[-1] - more.positions[0],
        )
        pieces = pieces_of(joined(first, later), joined=True)

        starts = [round((each.epochs[0] - first.epochs[0]).astype(int) / 1e9) for each in pieces]
        assert {0, 2400, 7200} <= {*starts}
