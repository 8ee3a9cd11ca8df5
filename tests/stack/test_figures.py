"""The table of what events cost."""

from rig.stack.figures import Row, table, worst_of


def test_the_worst_of_all_rounds_is_shown() -> None:
    assert worst_of([{"gap": 2.0, "lost": 1}, {"gap": 3.5, "lost": 0}]) == {"gap": 3.5, "lost": 1}


def test_a_figure_is_missed_above_what_it_may_be_or_without_having_been_taken() -> None:
    must = {"lost": 0, "gap": 3.0}
    assert Row("x", 1, {"lost": 0, "gap": 3.0}, must, 0.5).missed == []
    assert Row("x", 1, {"lost": 1, "gap": 2.0}, must, 0.5).missed == ["lost"]
    assert Row("x", 1, {"lost": 0, "gap": float("inf")}, must, 0.5).missed == ["gap"]
    assert Row("x", 1, {"lost": 0}, must, 0.5).missed == ["gap"]


def test_the_table_has_what_was_measured_beside_what_must_be() -> None:
    rows = [
        Row("switchover", 5, {"lost": 0, "gap": 0.61, "p99": 0.2}, {"lost": 0, "gap": 3.0}, 1.25),
        Row("crash", 5, {"lost": 2, "gap": 9.0}, {"lost": 0, "gap": 8.0}, 1.0),
        Row("dead-pool", 1, {}, {"first_call": 0.5}, 1.0),
    ]
    head, _, switchover, crash, pool = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table(rows).splitlines()
    ]
    assert head == ["event", "rounds", "counts lost", "p99, s", "API gap, s", "first call, s", "load", "verdict"]
    assert switchover == ["switchover", "5", "0 (≤ 0)", "0.20", "0.61 (≤ 3.00)", "-", "1.2", "kept"]
    assert crash[2:5] == ["2 (≤ 0)", "-", "9.00 (≤ 8.00)"]
    assert crash[-1] == "MISSED: counts lost, API gap, s"
    assert pool[5] == "not measured"
    assert pool[-1] == "MISSED: first call, s"
